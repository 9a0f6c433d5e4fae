#include "operation.h"

#include <fmt/format.h>

#include <array>
#include <sstream>

#include "sandbox/base/error.h"

namespace sandbox::overlay::test {
namespace {

constexpr std::array<const char*, kKinds> kNames = {
    "open",      "close",     "pread",      "pwrite",   "append",    "ftruncate", "truncate",    "fallocate",
    "seek",      "fstat",     "stat",       "fchmod",   "chmod",     "chown",     "futimens",    "utimens",
    "map_write", "map_read",  "copy_range", "setxattr", "fsetxattr", "getxattr",  "removexattr", "listxattr",
    "link",      "link_open", "symlink",    "readlink", "rename",    "unlink",    "rmdir",       "mkdir",
    "mknod",     "list",      "create_at",  "stat_at",  "list_at",   "fsync",     "access",      "remove_tree"};

constexpr const char* kLongWord = "<255>";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

/// Calls `visit(key, member)` for each number.
template <class Of, class Visit>
void each_number(Of& operation, Visit visit) {
  visit("slot", operation.slot);
  visit("other_slot", operation.other_slot);
  visit("offset", operation.offset);
  visit("size", operation.size);
  visit("other_offset", operation.other_offset);
  visit("flags", operation.flags);
  visit("mode", operation.mode);
}

}  // namespace

std::string long_name() { return std::string(255, 'n'); }

std::string render(const Operation& operation) {
  std::string line = kNames[static_cast<std::size_t>(operation.kind)];
  if (!operation.path.empty()) line += " path=" + replaced(operation.path, long_name(), kLongWord);
  if (!operation.other.empty()) line += " other=" + replaced(operation.other, long_name(), kLongWord);
  each_number(operation, [&line](const char* key, auto value) {
    if (value != 0) line += fmt::format(" {}={}", key, value);
  });
  return line;
}

Operation parse_operation(const std::string& line) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  const auto name = std::find(kNames.begin(), kNames.end(), word);
  if (name == kNames.end()) throw Error(fmt::format("no operation: '{}'", line));
  Operation operation;
  operation.kind = static_cast<Kind>(name - kNames.begin());
  while (words >> word) {
    const std::size_t equals = std::min(word.find('='), word.size() - 1);
    const std::string key = word.substr(0, equals), value = replaced(word.substr(equals + 1), kLongWord, long_name());
    if (key == "path") operation.path = value;
    if (key == "other") operation.other = value;
    each_number(operation, [&]<class Number>(const char* of, Number& member) {
      if (key == of) member = static_cast<Number>(std::stol(value));
    });
  }
  return operation;
}

}  // namespace sandbox::overlay::test
