// Cells of Docker's tables (docker/cli cli/command/formatter).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/cli/format/text.h"
#include "sandbox/container/container_store.h"

namespace sandbox::cli {

std::string short_id(const std::string& id);  ///< 12 digits, without the algorithm.
/// Repository and tag of an image's canonical name; "<none>" for what it lacks.
std::pair<std::string, std::string> name_cells(const std::string& name);
/// The command quoted as Go's strconv.Quote, cut to 20 characters unless `whole`.
std::string command_cell(const std::vector<std::string>& argv, bool whole);
/// "Up 3 minutes", "Exited (0) About an hour ago", "Created".
std::string status_cell(const container::State& state, std::int64_t now);
/// "53/udp, 0.0.0.0:80->8080/tcp, [::]:81-83->81-83/tcp": as Docker, with ranges of those that are the same on both
/// sides, or are exposed alone, which have no address.
std::string ports_cell(std::vector<container::PublishedPort> ports);

}  // namespace sandbox::cli
