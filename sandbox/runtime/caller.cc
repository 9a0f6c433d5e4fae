#include "sandbox/runtime/caller.h"

#include <linux/magic.h>
#include <unistd.h>

#include <charconv>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/cgroup/placement.h"

namespace sandbox::runtime {
namespace {

/// Without a stream: the C++ library makes all its locales with the first one, which is a part of the time and memory
/// that this program takes.
std::vector<userns::IdMapping> read_map(const char* path) {
  std::vector<std::uint32_t> numbers;
  for (const std::string& word : cgroup::split_words(read_file(path))) {
    std::from_chars(word.data(), word.data() + word.size(), numbers.emplace_back());
  }
  std::vector<userns::IdMapping> map;
  for (std::size_t i = 0; i + 2 < numbers.size(); i += 3) map.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
  return map;
}

bool has_apparmor() {
  const char* path = "/sys/module/apparmor/parameters/enabled";
  return path_exists(path) && read_file(path).starts_with('Y');
}

bool has_selinux() {
  const auto directory = sys::openat(AT_FDCWD, "/sys/fs/selinux", O_PATH | O_DIRECTORY);
  return directory && sys::fstatfs_type(directory->get()).value_or(0) == SELINUX_MAGIC;
}

}  // namespace

Caller survey_caller(const oci::Linux& part) {
  const sys::Capabilities own = sys::capget(0) | or_throw("reading the own capabilities");
  Caller caller{.uid = ::geteuid(), .gid = ::getegid(), .capabilities = own.permitted};
  caller.gid_map = read_map("/proc/self/gid_map");
  caller.initial_namespace = read_map("/proc/self/uid_map") == std::vector<userns::IdMapping>{{0, 0, UINT32_MAX}};
  caller.may_set_groups = !read_file("/proc/self/setgroups").starts_with("deny");
  caller.apparmor = has_apparmor();
  caller.selinux = has_selinux();
  if (caller.uid != 0 && part.uid_mappings.empty()) caller.ids = userns::read_subordinate_ids();
  return caller;
}

}  // namespace sandbox::runtime
