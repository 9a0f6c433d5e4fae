// Mounts that are added to a container that runs, and taken from it again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// `mounts`: a list like that of config.json; `what` names it. What is not absolute counts from the bundle. Throws
/// Conflict unless it runs, InvalidInput, Unsupported for other kinds than binds and tmpfs, Error.
void add_mounts(const Store& store, const std::string& id, const Json& mounts, std::string_view what,
                std::vector<std::string>& warnings);
/// Detaches what is mounted at their destinations, the last one first.
void remove_mounts(const Store& store, const std::string& id, const Json& mounts, std::string_view what,
                   std::vector<std::string>& warnings);

}  // namespace sandbox::runtime
