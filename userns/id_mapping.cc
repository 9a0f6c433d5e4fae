#include "userns/id_mapping.h"

#include <errno.h>
#include <linux/mount.h>
#include <unistd.h>

#include "sandbox/base/sys.h"
#include "userns/dumpable.h"
#include "userns/id_map.h"
#include "userns/pidfd.h"

namespace sandbox::userns {
namespace {

/// A process that keeps a user namespace while its maps are written. It ends with its maker's end of the lifeline.
class Holder {
 public:
  explicit Holder(const std::string& what)
      : lifeline_(sys::pipe() | or_throw("{}", what)), process_(sys::clone3(CLONE_NEWUSER) | or_throw("{}", what)) {
    if (process_.pid != 0) return;
    lifeline_.second.reset();
    char end = 0;
    (void)sys::read(lifeline_.first.get(), &end, 1);
    ::_exit(0);
  }
  ~Holder() {
    lifeline_.second.reset();
    (void)sys::wait_pidfd(process_.pidfd.get());
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  /// Its number in /proc, which may be of another pid namespace than ours.
  pid_t pid() const { return pid_of(process_.pidfd.get()); }

 private:
  sys::Pair lifeline_;
  sys::Cloned process_;
};

Fd make_namespace(const MountIds& ids, const std::string& what) {
  const Dumpable dumpable;
  const Holder holder(what);
  write_id_maps(holder.pid(), {.nested = true, .uid_map = ids.uid_map, .gid_map = ids.gid_map});
  const std::string path = fmt::format("/proc/{}/ns/user", holder.pid());
  return sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
}

const char* hint_for(int error) {
  if (error == EPERM) {
    return "only root of the user namespace in which a file system was mounted can change the ids of its mounts";
  }
  return error == EINVAL ? "this kind of file system, or this kernel, may not have id-mapped mounts" : "";
}

}  // namespace

void map_ids(int mount, const MountIds& ids, const std::string& what) {
  const std::string step = fmt::format("id mapping of {}", what);
  const Fd space = make_namespace(ids, step);
  const auto mapped = sys::map_mount(mount, space.get(), ids.of_tree);
  if (!mapped) throw SysError(mapped.error(), step, hint_for(mapped.error().value));
}

Fd clone_with_ids(const std::string& source, bool recursive, const MountIds& ids) {
  const std::string what = fmt::format("bind source '{}'", source);
  const unsigned tree = recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U;
  auto copy = sys::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | tree);
  if (!copy) throw SysError(copy.error(), "id mapping of " + what, hint_for(copy.error().value));
  map_ids(copy->get(), ids, what);
  return std::move(*copy);
}

}  // namespace sandbox::userns
