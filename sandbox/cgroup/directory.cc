#include "sandbox/cgroup/directory.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/cgroup/placement.h"

namespace sandbox::cgroup {
namespace {

constexpr int kRemovalTries = 200;
constexpr timespec kRemovalPause{0, 5'000'000};
constexpr int kMaximalDepth = 64;
constexpr int kFreezePatience = 2000;  // milliseconds

Result<void> write_at(int directory, const std::string& file, std::string_view value) {
  const auto fd = sys::openat(directory, file.c_str(), O_WRONLY | O_NOFOLLOW);
  if (!fd) return std::unexpected(fd.error());
  return sys::write_all(fd->get(), value.data(), value.size());
}

std::vector<std::string> children_of(int directory) {
  std::vector<std::string> names;
  auto again = sys::openat(directory, ".", O_RDONLY | O_DIRECTORY);
  if (!again) return names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again->get()), ::closedir);
  if (!stream) return names;
  (void)again->release();
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

Result<Fd> open_child(int directory, const std::string& name) {
  return sys::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/// The cgroups that a container may have made in its own go with it.
void remove_children(int directory, int depth) {
  if (depth > kMaximalDepth) return;  // then the removal of the parent fails, and tells
  for (const std::string& name : children_of(directory)) {
    if (const auto child = open_child(directory, name)) remove_children(child->get(), depth + 1);
    (void)sys::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
  }
}

void collect_processes(int directory, int depth, std::vector<int>& pids) {
  if (depth > kMaximalDepth) return;
  try {
    for (const std::string& word : split_words(read_file_at(directory, "cgroup.procs"))) {
      int pid = 0;
      std::from_chars(word.data(), word.data() + word.size(), pid);
      if (pid > 0) pids.push_back(pid);  // 0: of a pid namespace that we don't see
    }
  } catch (const SysError&) {
    // It has been removed meanwhile, or is threaded: its processes are listed above (cgroups(7), "Thread mode").
  }
  for (const std::string& name : children_of(directory)) {
    if (const auto child = open_child(directory, name)) collect_processes(child->get(), depth + 1, pids);
  }
}

Result<void> write_setting(int directory, const Setting& setting) {
  auto written = write_at(directory, setting.file, setting.value);
  const bool absent = !written && written.error().value == ENOENT;
  if (absent && !setting.other_file.empty()) {
    // Where the kernel has neither, the error is about the usual one.
    if (auto other = write_at(directory, setting.other_file, setting.other_value);
        other || other.error().value != ENOENT) {
      return other;
    }
  }
  if (absent && setting.optional) return {};
  return written;
}

void take_back_all(int directory, uid_t owner, int depth) {
  if (depth > kMaximalDepth) return;
  auto again = sys::openat(directory, ".", O_RDONLY | O_DIRECTORY) | or_throw("opening a cgroup");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), ::closedir);
  if (!stream) throw SysError(Errno{errno}, "reading a cgroup");
  (void)again.release();
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    const auto status = sys::fstatat(directory, name.c_str(), AT_SYMLINK_NOFOLLOW);
    if (name == ".." || !status) continue;
    const mode_t least = S_ISDIR(status->st_mode) ? 0700 : S_IRUSR;
    const bool was_given = status->st_uid != owner;
    if (was_given)
      sys::fchownat(directory, name.c_str(), owner, static_cast<gid_t>(-1), AT_SYMLINK_NOFOLLOW) |
          or_throw("taking '{}' back", name);
    if (was_given || (status->st_mode & least) != least)
      sys::fchmodat(directory, name.c_str(), (status->st_mode & 0777) | 0600 | least) |
          or_throw("taking '{}' back", name);
    if (name == "." || !S_ISDIR(status->st_mode)) continue;
    if (const auto child = open_child(directory, name)) take_back_all(child->get(), owner, depth + 1);
  }
}

}  // namespace

void take_back(const std::string& path, uid_t owner) {
  if (const auto found = Directory::find(path)) take_back_all(found->fd(), owner, 0);
}

Directory Directory::make(const std::string& path) {
  sys::mkdirat(AT_FDCWD, path.c_str(), 0755) | or_throw("creating cgroup '{}'", path);
  auto fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (fd) return {path, std::move(*fd)};
  (void)sys::unlinkat(AT_FDCWD, path.c_str(), AT_REMOVEDIR);
  throw SysError(fd.error(), fmt::format("opening cgroup '{}'", path));
}

std::optional<Directory> Directory::find(const std::string& path) {
  auto fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd) return std::nullopt;
  const auto type = sys::fstatfs_type(fd->get());
  if (!type || *type != CGROUP2_SUPER_MAGIC) return std::nullopt;
  return Directory(path, std::move(*fd));
}

void Directory::apply(const std::vector<Setting>& settings) const {
  for (const Setting& setting : settings) {
    write_setting(fd(), setting) |
        or_throw("{}: writing '{}' to '{}' of the cgroup", setting.option, setting.value, setting.file);
  }
}

void Directory::give_to(uid_t user) const {
  constexpr const char* kList = "/sys/kernel/cgroup/delegate";
  // COMPAT(linux<4.15): the list is the kernel's of then.
  const std::vector<std::string> files =
      path_exists(kList) ? split_words(read_file(kList))
                         : std::vector<std::string>{"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"};
  const auto give = [&](const std::string& file) {
    const auto given = sys::fchownat(fd(), file.c_str(), user, static_cast<gid_t>(-1), AT_SYMLINK_NOFOLLOW);
    // Of a controller that is not enabled here.
    if (!given && given.error().value != ENOENT)
      throw SysError(given.error(), fmt::format("giving '{}' of cgroup '{}' to user {}", file, path_, user));
  };
  give(".");
  for (const std::string& file : files) {
    if (file.find('/') == std::string::npos) give(file);
  }
}

Result<void> Directory::enter(pid_t pid) const { return write_at(fd(), "cgroup.procs", fmt::format("{}", pid)); }

bool Directory::is_open_from(const std::string& from) const {
  const auto writable = [](const std::string& directory) {
    return sys::faccessat(AT_FDCWD, (directory + "/cgroup.procs").c_str(), W_OK).has_value();
  };
  return writable(path_) && writable(common_ancestor(path_, from));
}

std::vector<int> Directory::processes() const {
  std::vector<int> pids;
  collect_processes(fd(), 0, pids);
  std::ranges::sort(pids);
  return pids;
}

void Directory::kill() const {
  // COMPAT(linux<5.14): without cgroup.kill the end of the container's pid 1 has to suffice.
  (void)write_at(fd(), "cgroup.kill", "1");
}

void Directory::freeze(bool on) const {
  write_at(fd(), "cgroup.freeze", on ? "1" : "0") | or_throw("freezing cgroup '{}'", path_);
  for (;;) {
    const Fd events = sys::openat(fd(), "cgroup.events", O_RDONLY) | or_throw("opening 'cgroup.events' of '{}'", path_);
    char text[256];
    const std::size_t size =
        sys::read(events.get(), text, sizeof text) | or_throw("reading 'cgroup.events' of '{}'", path_);
    if (value_of({text, size}, "frozen") == (on ? 1U : 0U)) return;
    // A change since that read is an exceptional condition (cgroups(7), "cgroup.events file").
    pollfd item{events.get(), POLLPRI, 0};
    if (::poll(&item, 1, kFreezePatience) != 0) continue;
    if (on) (void)write_at(fd(), "cgroup.freeze", "0");
    throw Error(fmt::format("cgroup '{}' did not {} in time", path_, on ? "freeze" : "thaw"));
  }
}

bool Directory::is_frozen() const { return value_of(text("cgroup.events"), "frozen") == 1; }

std::string Directory::text(const std::string& file) const {
  const auto opened = sys::openat(fd(), file.c_str(), O_RDONLY);
  if (!opened) return {};  // the controller is not enabled here, or the kernel is older: an everyday case
  try {
    return read_to_end(opened->get(), file);
  } catch (const SysError&) {
    return {};  // the cgroup has gone
  }
}

void Directory::remove() const noexcept {
  for (int tries = 0; tries < kRemovalTries; ++tries) {
    try {
      remove_children(fd(), 0);
    } catch (const std::exception&) {
      return;  // out of memory; the record makes the next command try again
    }
    const auto removed = sys::unlinkat(AT_FDCWD, path_.c_str(), AT_REMOVEDIR);
    if (removed || removed.error().value != EBUSY) return;
    ::nanosleep(&kRemovalPause, nullptr);
  }
}

std::uint64_t value_of(std::string_view text, std::string_view key) {
  for (auto position = text.find(key); position != std::string_view::npos; position = text.find(key, position + 1)) {
    const bool at_start = position == 0 || text[position - 1] == '\n';
    if (!at_start || text.substr(position + key.size(), 1) != " ") continue;
    const std::string_view number = text.substr(position + key.size() + 1);
    std::uint64_t value = 0;
    std::from_chars(number.data(), number.data() + number.size(), value);
    return value;
  }
  return 0;
}

}  // namespace sandbox::cgroup
