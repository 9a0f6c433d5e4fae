// A container's environment: defaults, the image's, the user's, in that order of precedence.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sandbox::engine {

/// Sets `assignment` ("NAME=value") in `env`, replacing the earlier value in place.
void set_environment(std::vector<std::string>& env, std::string_view assignment);

/// True for "NAME=value" with a name that is not empty and without a zero byte.
bool is_assignment(std::string_view text);

/// The words of -e and the lines of --env-file as assignments, files first. A bare NAME takes
/// this process's value and is left out when there is none. Reads the files and environ(7).
std::vector<std::string> read_environment(const std::vector<std::string>& words,
                                          const std::vector<std::string>& files);

}  // namespace sandbox::engine
