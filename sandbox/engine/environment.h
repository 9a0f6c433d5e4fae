// A container's environment: defaults, the image's, the user's, in that order of precedence.
#pragma once

#include <string>
#include <vector>

namespace sandbox::engine {

/// The words of -e and the lines of --env-file as assignments, files first. A bare NAME takes
/// this process's value and is left out when there is none; "NAME*" takes all whose names begin so. Reads the files and
/// environ(7).
std::vector<std::string> read_environment(const std::vector<std::string>& words,
                                          const std::vector<std::string>& files);

/// The lines of --label-file. Throws UsageError.
std::vector<std::string> read_labels(const std::vector<std::string>& files);

/// The assignments of this process's own environment.
std::vector<std::string> own_environment();

/// The time zone `name` as a file of tzfile(5): one of /usr/share/zoneinfo, or "local" for the host's. Throws NotFound.
std::string read_time_zone(const std::string& name);

}  // namespace sandbox::engine
