// See environment.h. Runs in the client.
#include "sandbox/engine/environment.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

namespace sandbox::engine {
namespace {

constexpr std::size_t kLargestZone = 1U << 20;

/// Podman's "NAME*": every variable here whose name begins so.
void add_beginning(std::vector<std::string>& env, std::string_view beginning) {
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    if (is_assignment(*entry) && std::string_view(*entry).starts_with(beginning)) set_environment(env, *entry);
  }
}

void add_word(std::vector<std::string>& env, const std::string& word) {
  if (word.empty() || word[0] == '=') throw UsageError(fmt::format("invalid environment variable: {}", word));
  if (word.find('=') != std::string::npos) return set_environment(env, word);
  if (word.ends_with('*')) return add_beginning(env, std::string_view(word).substr(0, word.size() - 1));
  if (const char* value = ::getenv(word.c_str())) set_environment(env, word + "=" + value);
}

/// Of a file of assignments: without comments, empty lines and what stands in front of names.
std::vector<std::string> lines_of(const std::string& path, const char* kind) {
  const std::string text = read_file(path);
  std::vector<std::string> lines;
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos || line[begin] == '#') continue;
    line.remove_prefix(begin);
    const std::string_view name = line.substr(0, line.find('='));
    if (name.empty() || name.find_first_of(" \t") != std::string_view::npos) {
      throw UsageError(
          fmt::format("invalid {} file ({}): variable '{}' contains whitespaces or is empty", kind, path, name));
    }
    lines.emplace_back(line);
  }
  return lines;
}

}  // namespace

std::vector<std::string> read_environment(const std::vector<std::string>& words,
                                          const std::vector<std::string>& files) {
  std::vector<std::string> env;
  for (const auto& path : files) {
    for (const auto& line : lines_of(path, "env")) add_word(env, line);
  }
  for (const auto& word : words) add_word(env, word);
  return env;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> env;
  add_beginning(env, "");
  return env;
}

std::string read_time_zone(const std::string& name) {
  const bool is_plain = !name.starts_with('/') && ("/" + name + "/").find("/../") == std::string::npos;
  const std::string path = name == "local" ? "/etc/localtime" : "/usr/share/zoneinfo/" + name;
  std::string zone;
  try {
    if (is_plain) zone = read_file(path, kLargestZone);
  } catch (const SysError&) {
    // There is none of that name.
  }
  if (!zone.starts_with("TZif")) {
    throw NotFound(fmt::format("finding timezone: unknown time zone {}", name),
                   "zones are those of this machine's /usr/share/zoneinfo; 'local' is its own");
  }
  return zone;
}

std::vector<std::string> read_labels(const std::vector<std::string>& files) {
  std::vector<std::string> labels;
  for (const auto& path : files) std::ranges::move(lines_of(path, "label"), std::back_inserter(labels));
  return labels;
}

}  // namespace sandbox::engine
