// -v, --mount and --tmpfs as mount operations, and the mounts that every container has.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/engine/requests.h"
#include "userns/launch_plan.h"

namespace sandbox::engine {

struct UserMount {
  userns::MountOp op;
  bool create_source = false;  ///< -v and volumes: an absent source becomes a directory.
};

/// `data`: the data directory, where named volumes live as volumes/NAME/_data. Throws UsageError.
UserMount parse_volume(std::string_view text, const std::string& data);
UserMount parse_mount(std::string_view text, const std::string& data);
UserMount parse_tmpfs(std::string_view text);

/// All of the request's mounts, parents before children.
std::vector<UserMount> user_mounts(const RunRequest& request, const std::string& data);
/// Docker's default list for the chosen namespaces, without the generated files.
std::vector<userns::MountOp> default_mounts(const userns::NamespacePlan& namespaces, std::uint64_t shm_size);

/// Makes absent sources; throws UsageError for a source of --mount that does not exist.
void prepare_sources(const std::vector<UserMount>& mounts);

}  // namespace sandbox::engine
