// What a container of a request may do, asked by name: from the same plan and the same compiled filter that it would be
// started with. Pure but for the devices of the request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sandbox/engine/requests.h"
#include "userns/launch_plan.h"

namespace sandbox::engine {

/// The plan for `request` with an image of which nothing is known. Throws UsageError.
userns::LaunchPlan plan_of_any_image(const RunRequest& request);

/// Lines without an end. Each throws UsageError for what it knows nothing of.
std::string explain_call(std::span<const std::byte> filter, const std::string& name);
std::string explain_capability(const userns::LaunchPlan& plan, const std::string& name);
std::string explain_path(const userns::LaunchPlan& plan, const std::string& path);

}  // namespace sandbox::engine
