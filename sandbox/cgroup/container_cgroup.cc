#include "sandbox/cgroup/container_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

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

/// The cgroups that a container may have made in its own go with it.
void remove_children(int directory, int depth) {
  if (depth > kMaximalDepth) return;  // then the removal of the parent fails, and tells
  for (const std::string& name : children_of(directory)) {
    if (const auto child = sys::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
      remove_children(child->get(), depth + 1);
    }
    (void)sys::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
  }
}

/// A killed process leaves its cgroup a moment later.
void remove_cgroup(int directory, const std::string& path) noexcept {
  for (int tries = 0; tries < kRemovalTries; ++tries) {
    try {
      remove_children(directory, 0);
    } catch (const std::exception&) {
      return;  // out of memory; the record makes the next command try again
    }
    const auto removed = sys::unlinkat(AT_FDCWD, path.c_str(), AT_REMOVEDIR);
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

}  // namespace

ContainerCgroup::ContainerCgroup(std::string path, const std::vector<Setting>& settings) : path_(std::move(path)) {
  sys::mkdirat(AT_FDCWD, path_.c_str(), 0755) | or_throw("creating cgroup '{}'", path_);
  auto directory = sys::openat(AT_FDCWD, path_.c_str(), O_RDONLY | O_DIRECTORY);
  if (!directory) {
    (void)sys::unlinkat(AT_FDCWD, path_.c_str(), AT_REMOVEDIR);
    throw SysError(directory.error(), fmt::format("opening cgroup '{}'", path_));
  }
  directory_ = std::move(*directory);
  for (const Setting& setting : settings) {
    const auto written = write_at(fd(), setting.file, setting.value);
    if (written || (setting.optional && written.error().value == ENOENT)) continue;
    remove_cgroup(fd(), path_);
    throw SysError(written.error(),
                   fmt::format("{}: writing '{}' to '{}' of the cgroup", setting.option, setting.value, setting.file));
  }
}

ContainerCgroup::~ContainerCgroup() {
  if (!directory_) return;
  kill();
  remove_cgroup(fd(), path_);
}

void ContainerCgroup::kill() {
  // COMPAT(linux<5.14): without cgroup.kill the end of the container's pid 1 has to suffice.
  (void)write_at(fd(), "cgroup.kill", "1");
}

void ContainerCgroup::freeze(bool on) {
  write_at(fd(), "cgroup.freeze", on ? "1" : "0") | or_throw("freezing cgroup '{}'", path_);
  for (;;) {
    const Fd events = sys::openat(fd(), "cgroup.events", O_RDONLY) | or_throw("opening 'cgroup.events' of '{}'", path_);
    char text[256];
    const std::size_t size =
        sys::read(events.get(), text, sizeof text) | or_throw("reading 'cgroup.events' of '{}'", path_);
    if (value_of({text, size}, "frozen") == (on ? 1U : 0U)) return;
    // A change since that read is an exceptional condition (cgroups(7), "cgroup.events file").
    pollfd item{events.get(), POLLPRI, 0};
    if (::poll(&item, 1, kFreezePatience) == 0) throw Error(fmt::format("cgroup '{}' did not freeze in time", path_));
  }
}

std::uint64_t ContainerCgroup::oom_kills() const {
  try {
    return value_of(read_file_at(fd(), "memory.events"), "oom_kill");
  } catch (const SysError&) {
    return 0;  // no memory controller here
  }
}

std::string cgroup_name(std::string_view id) { return fmt::format("sandbox-{}", id); }

void remove_stale(const std::string& path, std::string_view id) {
  if (!path.starts_with('/') || !path.ends_with("/" + cgroup_name(id))) return;
  const auto directory = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory) return;
  const auto type = sys::fstatfs_type(directory->get());
  if (!type || *type != CGROUP2_SUPER_MAGIC) return;
  (void)write_at(directory->get(), "cgroup.kill", "1");
  remove_cgroup(directory->get(), path);
}

}  // namespace sandbox::cgroup
