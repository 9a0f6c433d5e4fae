#include "fuse-overlay/mount_options.h"

#include <linux/mount.h>

#include <algorithm>
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/base/mount_words.h"

namespace sandbox::overlay {
namespace {

/// Cut at each `separator` that no backslash precedes; the backslashes stay.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == separator) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::string without_escapes(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

std::string directory(std::string_view option, std::string_view value) {
  if (value.empty()) throw InvalidInput(fmt::format("mount option {}: a directory has no name", option));
  return without_escapes(value);
}

uid_t id(std::string_view option, std::string_view value) {
  uid_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size()) {
    throw InvalidInput(fmt::format("mount option {}: '{}' is no id", option, value));
  }
  return number;
}

// How we are anyway. The last two allow what we don't do: to leave out fsync(2).
constexpr std::string_view kIdle[] = {"defaults",  "allow_other", "default_permissions",
                                      "userxattr", "volatile",    "fsync=0"};

bool take_attribute(std::string_view option, MountOptions& options) {
  const MountWord* word = find_mount_word(option);
  if (word != nullptr) options.attributes = static_cast<unsigned>((options.attributes & ~word->clear) | word->set);
  return word != nullptr;
}

ServerConfig::Ids& squash(ServerConfig& server) { return server.squash ? *server.squash : server.squash.emplace(); }

void take(std::string_view option, MountOptions& options) {
  ServerConfig& server = options.server;
  const std::size_t equals = std::min(option.find('='), option.size());
  const std::string_view name = option.substr(0, equals), value = option.substr(std::min(equals + 1, option.size()));
  if (option.empty() || take_attribute(option, options)) return;
  if (std::ranges::find(kIdle, option) != std::end(kIdle)) return;
  if (name == "lowerdir") {
    server.lower.clear();
    for (const std::string_view layer : split(value, ':')) server.lower.push_back(directory(name, layer));
  } else if (name == "upperdir") {
    server.upper = directory(name, value);
  } else if (name == "workdir") {
    server.work = directory(name, value);
  } else if (option == "whiteout_files") {
    server.whiteout_files = true;
  } else if (option == "squash_to_root") {
    server.squash.emplace();
  } else if (name == "squash_to_uid") {
    squash(server).uid = id(name, value);
  } else if (name == "squash_to_gid") {
    squash(server).gid = id(name, value);
  } else {
    throw InvalidInput(fmt::format("unknown mount option: '{}'", option));
  }
}

}  // namespace

MountOptions parse_mount_options(std::string_view text) {
  MountOptions options;
  for (const std::string_view option : split(text, ',')) take(option, options);
  const ServerConfig& server = options.server;
  if (server.lower.empty()) throw InvalidInput("mount option lowerdir is missing");
  if (server.upper.empty() != server.work.empty()) {
    throw InvalidInput("mount options upperdir and workdir need each other");
  }
  if (server.upper.empty()) options.attributes |= MOUNT_ATTR_RDONLY;
  return options;
}

}  // namespace sandbox::overlay
