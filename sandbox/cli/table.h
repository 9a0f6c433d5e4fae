// Docker's tables and their cells (docker/cli cli/command/formatter).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/container/container_store.h"

namespace sandbox::cli {

/// Rows as tabwriter(minwidth 10, padding 3) lays them out; the first row is the header. The last
/// column is not padded.
std::string render_table(const std::vector<std::vector<std::string>>& rows);

/// Text that may quote strangers, safe for a terminal: characters that command it (but newline and tab) or turn the
/// direction of writing become "\\x1b".
std::string without_controls(std::string_view text);
/// Indented by 4; where strings hold such characters, with everything beyond ASCII as "\\u009b".
std::string json_for_terminals(const Json& document);

std::string short_id(const std::string& id);  ///< 12 digits, without "sha256:".
/// Repository and tag of an image's canonical name; "<none>" for what it lacks.
std::pair<std::string, std::string> name_cells(const std::string& name);
/// The command quoted as Go's strconv.Quote, cut to 20 characters unless `whole`.
std::string command_cell(const std::vector<std::string>& argv, bool whole);
/// "Up 3 minutes", "Exited (0) About an hour ago", "Created".
std::string status_cell(const container::State& state, std::int64_t now);
/// "0.0.0.0:8080->80/tcp", comma separated; neighbours as one: "0.0.0.0:8000-8002->80-82/tcp".
std::string ports_cell(const std::vector<container::PublishedPort>& ports);

/// The whole text of `ps`.
std::string render_ps(const std::vector<container::Container>& containers, bool whole, std::int64_t now);

}  // namespace sandbox::cli
