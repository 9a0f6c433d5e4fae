// What --health-* and the image's HEALTHCHECK come to. Pure.
#pragma once

#include "sandbox/base/json_fwd.h"
#include "sandbox/container/spec.h"
#include "sandbox/engine/requests.h"

namespace sandbox::engine {

/// `image_config`: the image's, whose words are a stranger's: what makes no sense there is left out; null: none. Throws
/// UsageError in Docker's words.
container::HealthPlan plan_health(const HealthRequest& request, const Json* image_config);

}  // namespace sandbox::engine
