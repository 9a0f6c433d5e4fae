// What is done to a container's cgroup while it is there: pause, resume, update.
#pragma once

#include <string>

#include "sandbox/base/json_fwd.h"
#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// Returns when everything in the container stands still. Throws Conflict in any other state than created and running,
/// Unsupported when it has no cgroup of its own.
void pause(const Store& store, const std::string& id);
/// Throws Conflict when it is not paused.
void resume(const Store& store, const std::string& id);
/// Changes the limits that `resources`, an object like linux.resources, names, and no others; `what` is its name in
/// messages. Throws like plan_resources(); Unsupported for a limit that can't be had here; SysError.
void update(const Store& store, const std::string& id, const Json& resources, std::string_view what);

}  // namespace sandbox::runtime
