// The work directory: new objects are completed there and then moved into the upper layer, so that a name
// never shows a state between the old and the new one. All names in it begin with a prefix of ours, since
// kernel overlayfs keeps its own directory beside them.
#include <errno.h>
#include <sys/sysmacros.h>

#include "fuse-overlay/tree/directory_stream.h"
#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::string_view kPrefix = "fuse-";
constexpr const char* kProbe = "fuse-probe";

std::string proc_path(int directory, const std::string& name) {
  return fmt::format("/proc/self/fd/{}/{}", directory, name);
}

}  // namespace

void Overlay::prepare_work() {
  try {
    for (const std::string& name : names_in(work_.get(), ".")) {
      if (name.starts_with(kPrefix)) remove_tree(proc_path(work_.get(), name));  // of a server that was killed
    }
  } catch (const Failure& failure) {
    throw SysError(Errno{failure.error}, "overlay: reading the work directory");
  }
  // mknod(2): a device 0:0 needs no privilege since Linux 5.8, but not every file system has devices.
  marks_whiteouts_ = !sys::mknodat(work_.get(), kProbe, S_IFCHR | 0600, makedev(0, 0));
  (void)sys::unlinkat(work_.get(), kProbe, 0);
}

std::string Overlay::staging_name() { return fmt::format("{}{}", kPrefix, staging_counter_.fetch_add(1)); }

void Overlay::discard(const std::string& staged) noexcept {
  if (sys::unlinkat(work_.get(), staged.c_str(), 0)) return;
  (void)sys::unlinkat(work_.get(), staged.c_str(), AT_REMOVEDIR);
}

void Overlay::mark_numbered(Node& directory, int upper) const {
  if (is_numbered(directory, upper)) return;
  // Where there are no such attributes, no number is on record either.
  (void)sys::setxattr(proc_path(upper, ".").c_str(), kNumbered, "y", 1, 0, false);
  directory.numbered.store(Node::Numbered::yes, std::memory_order_relaxed);
}

void Overlay::make_opaque(int directory, const std::string& name) const {
  check(sys::setxattr(proc_path(directory, name).c_str(), kOpaque, "y", 1, 0, false));
}

void Overlay::make_whiteout(int directory, const std::string& name) const {
  if (!marks_whiteouts_) return check(sys::mknodat(directory, name.c_str(), S_IFCHR, makedev(0, 0)));
  check(sys::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  check(sys::setxattr(proc_path(directory, name).c_str(), kWhiteout, "y", 1, 0, false));
}

void Overlay::put_over_whiteout(const std::string& staged, int upper, const std::string& name, bool directory) {
  if (!directory) return check(sys::renameat2(work_.get(), staged.c_str(), upper, name.c_str()));
  // rename(2) puts no directory over a file, but exchanges the two.
  const auto exchanged = sys::renameat2(work_.get(), staged.c_str(), upper, name.c_str(), RENAME_EXCHANGE);
  if (exchanged) return check(sys::unlinkat(work_.get(), staged.c_str(), 0));
  if (exchanged.error().value != EINVAL) throw Failure{exchanged.error().value};
  check(sys::unlinkat(upper, name.c_str(), 0));
  check(sys::renameat2(work_.get(), staged.c_str(), upper, name.c_str()));
}

void Overlay::put_whiteout(int upper, const std::string& name, const struct stat* existing) {
  if (marks_whiteouts_) {
    const std::string path = proc_path(upper, ".");
    char mark = 0;
    const auto marked = sys::getxattr(path.c_str(), kOpaque, &mark, 1, false);
    if (!marked || (mark != 'x' && mark != 'y')) check(sys::setxattr(path.c_str(), kOpaque, "x", 1, 0, false));
  }
  if (existing == nullptr) return make_whiteout(upper, name);
  const std::string staged = staging_name();
  make_whiteout(work_.get(), staged);
  if (!S_ISDIR(existing->st_mode)) return check(sys::renameat2(work_.get(), staged.c_str(), upper, name.c_str()));
  const auto exchanged = sys::renameat2(work_.get(), staged.c_str(), upper, name.c_str(), RENAME_EXCHANGE);
  if (exchanged) return remove_hollow_directory(work_.get(), staged);
  if (exchanged.error().value != EINVAL) throw Failure{exchanged.error().value};
  remove_hollow_directory(upper, name);
  check(sys::renameat2(work_.get(), staged.c_str(), upper, name.c_str()));
}

void Overlay::remove_hollow_directory(int directory, const std::string& name) const {
  const auto removed = sys::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
  if (removed) return;
  if (removed.error().value != ENOTEMPTY && removed.error().value != EEXIST) throw Failure{removed.error().value};
  const Fd hollow = check(sys::openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW));
  for (const std::string& whiteout : names_in(directory, name.c_str()))
    check(sys::unlinkat(hollow.get(), whiteout.c_str(), 0));
  check(sys::unlinkat(directory, name.c_str(), AT_REMOVEDIR));
}

}  // namespace sandbox::overlay
