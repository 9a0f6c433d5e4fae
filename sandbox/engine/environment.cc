// See environment.h. Runs in the client.
#include "sandbox/engine/environment.h"

#include <stdlib.h>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

namespace sandbox::engine {
namespace {

void add_word(std::vector<std::string>& env, const std::string& word) {
  if (word.empty() || word[0] == '=') throw UsageError(fmt::format("invalid environment variable: {}", word));
  if (word.find('=') != std::string::npos) return set_environment(env, word);
  if (const char* value = ::getenv(word.c_str())) set_environment(env, word + "=" + value);
}

void add_file(std::vector<std::string>& env, const std::string& path) {
  const std::string text = read_file(path);
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
      throw UsageError(fmt::format("invalid env file ({}): variable '{}' contains whitespaces or is empty", path, name));
    }
    add_word(env, std::string(line));
  }
}

}  // namespace

std::vector<std::string> read_environment(const std::vector<std::string>& words,
                                          const std::vector<std::string>& files) {
  std::vector<std::string> env;
  for (const auto& path : files) add_file(env, path);
  for (const auto& word : words) add_word(env, word);
  return env;
}

}  // namespace sandbox::engine
