// See profile.h.
#include "sandbox/engine/profile.h"

#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "profiles/capabilities.h"
#include "sandbox/base/assignments.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/places.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/mounts.h"

namespace sandbox::engine {
namespace {

using profiles::NamedProfile;
using profiles::OptionWord;

constexpr std::size_t largest_profile = 1U << 20;
constexpr std::size_t longest_chain = 8;
constexpr std::string_view ending = ".json";

bool may_open(const char* path) {
  const auto status = sys::fstatat(AT_FDCWD, path, 0);
  return status && (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode)) && ::access(path, R_OK | W_OK) == 0;
}

/// Devices that match the pattern and open for the user.
std::vector<std::string> devices_like(const std::string& pattern) {
  std::vector<std::string> devices;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    std::copy_if(found.gl_pathv, found.gl_pathv + found.gl_pathc, std::back_inserter(devices), may_open);
  }
  ::globfree(&found);
  return devices;
}

std::string own_profiles() { return config_directory() + "/profiles"; }

std::optional<NamedProfile> shipped_profile(const std::string& name) {
  for (const profiles::ShippedProfile& shipped : profiles::shipped_profiles()) {
    if (shipped.name == name) return profiles::parse_named_profile(shipped.text, name, "");
  }
  return {};
}

NamedProfile read_profile(const std::string& name, const std::string& file) {
  return profiles::parse_named_profile(read_file(file, largest_profile), name, file);
}

std::string current_directory() {
  std::error_code error;
  std::string path = std::filesystem::current_path(error);
  if (error) throw SysError(Errno{error.value()}, "finding the current directory");
  return path;
}

/// `below`: what extends it; a user's own that extends its own name means the shipped one.
NamedProfile find_one(const std::string& name, const NamedProfile* below) {
  if (below == nullptr && name.find('/') != name.npos) return read_profile(name, std::filesystem::absolute(name));
  const std::string file = fmt::format("{}/{}{}", own_profiles(), name, ending);
  const bool means_shipped = below != nullptr && below->name == name;
  if (is_valid_name(name) && !means_shipped && path_exists(file)) return read_profile(name, file);
  if (auto shipped = shipped_profile(name)) return *std::move(shipped);
  const std::string reason = below == nullptr ? "" : fmt::format("{} extends it: ", title_of(*below));
  throw NotFound(fmt::format("{}no such profile: {}", reason, name), "'sandbox profile ls' lists them");
}

std::optional<std::string> mount_target(const OptionWord& word) {
  if (word.name == "volume") return parse_volume(word.value, "").op.target;
  if (word.name == "mount") return parse_mount(word.value, "").op.target;
  if (word.name == "tmpfs") return parse_tmpfs(word.value).op.target;
  return {};
}

bool is_capability_list(const OptionWord& word) { return word.name == "cap-add" || word.name == "cap-drop"; }

bool is_all(std::string_view capability) {
  return capability.size() == 3 &&
         std::ranges::equal(capability, std::string_view("ALL"), {}, [](char c) { return c & ~0x20; });
}

bool contradict(const OptionWord& lower, const OptionWord& upper) {
  if (is_capability_list(lower) && is_capability_list(upper)) {
    if (lower.name == upper.name) return false;
    return is_all(upper.value) ||
           (!is_all(lower.value) && profiles::capability_bit(lower.value) == profiles::capability_bit(upper.value));
  }
  const auto chooses_filter = [](const OptionWord& word) {
    return word.name == "security-opt" && (word.value.starts_with("seccomp=") || word.value.starts_with("seccomp:"));
  };
  const bool is_of_filter = chooses_filter(lower) || lower.value.starts_with("deny-calls");
  return chooses_filter(upper) && lower.name == "security-opt" && is_of_filter;
}

}  // namespace

std::vector<NamedProfile> find_profile(const std::string& name) {
  std::vector<NamedProfile> chain{find_one(name, nullptr)};
  while (!chain.front().base.empty()) {
    if (chain.size() == longest_chain) {
      throw InvalidInput(
          fmt::format("{}: 'extends' goes on for more than {} profiles", title_of(chain.back()), longest_chain));
    }
    chain.insert(chain.begin(), find_one(chain.front().base, &chain.front()));
  }
  return chain;
}

std::vector<std::string> profile_names() {
  std::set<std::string> names;
  for (const profiles::ShippedProfile& shipped : profiles::shipped_profiles()) names.emplace(shipped.name);
  for (std::string name : list_directory(own_profiles())) {
    if (!name.ends_with(ending)) continue;
    name.resize(name.size() - ending.size());
    if (is_valid_name(name)) names.insert(std::move(name));
  }
  return {names.begin(), names.end()};
}

profiles::ProfileHost profile_host(const std::vector<NamedProfile>& chain) {
  profiles::ProfileHost host{
      .directory = current_directory(), .home = home_directory(), .uid = ::getuid(), .gid = ::getgid()};
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (is_assignment(text)) host.environment.emplace(text.substr(0, text.find('=')), text.substr(text.find('=') + 1));
  }
  for (const NamedProfile& profile : chain) {
    for (const std::string& pattern : profiles::device_patterns(profile)) {
      host.devices.emplace(pattern, devices_like(pattern));
    }
  }
  return host;
}

std::vector<OptionWord> override_words(std::vector<OptionWord> lower, const std::vector<OptionWord>& upper) {
  std::set<std::string> targets;
  for (const OptionWord& word : upper) {
    if (auto target = mount_target(word)) targets.insert(*std::move(target));
  }
  std::erase_if(lower, [&](const OptionWord& word) {
    if (!targets.empty()) {
      if (const auto target = mount_target(word); target && targets.contains(*target)) return true;
    }
    return std::ranges::any_of(upper, [&](const OptionWord& other) { return contradict(word, other); });
  });
  lower.insert(lower.end(), upper.begin(), upper.end());
  return lower;
}

}  // namespace sandbox::engine
