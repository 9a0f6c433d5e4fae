#include "sandbox/base/places.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

std::string from_environment(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr ? value : "";
}

/// $VARIABLE/sandbox, or what is so called in the home.
std::string own_directory(const char* variable, const char* in_home) {
  if (std::string dir = from_environment(variable); !dir.empty() && dir[0] == '/') return dir + "/sandbox";
  return fmt::format("{}/{}/sandbox", home_directory(), in_home);
}

std::string data_directory() {
  if (std::string dir = from_environment("SANDBOX_STORE_DIR"); !dir.empty()) return dir;
  return own_directory("XDG_DATA_HOME", ".local/share");
}

bool is_private_directory_of_user(const std::string& path) {
  const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
  return status && S_ISDIR(status->st_mode) && status->st_uid == ::getuid() && (status->st_mode & 0077) == 0;
}

/// Belongs to one of `owners`, and nobody else may write to it. What our primary group may do is what our umask gives
/// it: on many systems that group is the user's alone, and the umask 002.
bool is_safe_from_others(const std::string& path, std::initializer_list<uid_t> owners) {
  const auto status = sys::fstatat(AT_FDCWD, path.c_str(), 0);
  if (!status || !S_ISDIR(status->st_mode) || (status->st_mode & 0002) != 0) return false;
  if ((status->st_mode & 0020) != 0 && status->st_gid != ::getgid()) return false;
  return std::ranges::find(owners, status->st_uid) != owners.end();
}

std::string runtime_directory() {
  if (std::string dir = from_environment("SANDBOX_RUNTIME_DIR"); !dir.empty()) return dir;
  if (std::string dir = from_environment("XDG_RUNTIME_DIR"); !dir.empty() && is_private_directory_of_user(dir)) {
    return dir + "/sandbox";
  }
  return fmt::format("/tmp/sandbox-{}", ::getuid());
}

/// Paths in a list; what begins with '#' is a comment.
void add_paths(std::string_view list, char separator, std::vector<std::string>& paths) {
  while (!list.empty()) {
    const auto end = std::min(list.find(separator), list.size());
    if (end > 0 && list[0] != '#') paths.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

/// Those that somebody has named on purpose, whoever owns them.
std::vector<std::string> listed_stores() {
  std::vector<std::string> stores;
  if (const char* listed = ::getenv("SANDBOX_ADDITIONAL_STORES"); listed != nullptr) {
    add_paths(listed, ':', stores);
    return stores;
  }
  std::vector<std::string> directories = {"/etc/sandbox"};
  try {
    directories.insert(directories.begin(), config_directory());
  } catch (const Error&) {
    // Who has no home has no files there.
  }
  for (const std::string& directory : directories) {
    const std::string file = directory + "/additional-stores";
    if (path_exists(file)) add_paths(read_file(file), '\n', stores);
  }
  return stores;
}

/// The one that ships with the program, or why it is not used.
std::string shipped_store(std::string& refusal) {
  // A store that somebody else has put beside the program would run their images under our names. Whoever owns the
  // program is trusted with more than that: on a cluster, often the colleague who has installed it for all.
  const std::string executable = executable_path();
  const std::string shipped = executable.substr(0, executable.find_last_of('/')) + "/../share/sandbox/store";
  const auto program = sys::fstatat(AT_FDCWD, executable.c_str(), 0);
  if (program && is_safe_from_others(shipped, {::getuid(), 0, program->st_uid})) return shipped;
  if (path_exists(shipped)) {
    refusal = fmt::format("the store '{}' is not used: others may write to it, or it belongs to another user than the "
                          "program, you and root", shipped);
  }
  return {};
}

}  // namespace

std::string home_directory() {
  if (std::string home = from_environment("HOME"); !home.empty() && home[0] == '/') return home;
  if (const passwd* entry = ::getpwuid(::getuid())) return entry->pw_dir;
  throw Error("the home directory is not known", "set HOME to an absolute path");
}

std::string config_directory() { return own_directory("XDG_CONFIG_HOME", ".config"); }

Places find_places() {
  Places places{data_directory(), runtime_directory(), listed_stores()};
  if (std::string shipped = shipped_store(places.ignored_store); !shipped.empty()) {
    places.additional_stores.push_back(std::move(shipped));
  }
  return places;
}

void make_places(const Places& places) {
  make_directories(places.data);
  if (!is_safe_from_others(places.data, {::getuid()})) {
    throw Error(fmt::format("others may write to the store '{}', or it is not yours", places.data),
                "chmod go-w it, or set SANDBOX_STORE_DIR to a directory of yours");
  }
  for (const char* part : {"/images/blobs/sha256", "/layers", "/containers", "/tmp"})
    make_directories(places.data + part);
  make_directories(places.runtime);
  if (!is_private_directory_of_user(places.runtime)) {
    throw Error(fmt::format("runtime directory '{}' is not a private directory of yours", places.runtime),
                "remove it, or set XDG_RUNTIME_DIR to a directory of yours with mode 0700");
  }
}

std::string executable_path() {
  return sys::readlinkat(AT_FDCWD, "/proc/self/exe") | or_throw("reading /proc/self/exe");
}

}  // namespace sandbox
