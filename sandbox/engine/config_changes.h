// `commit --change`: instructions of a Dockerfile that change an image's config (image-spec config.md). Pure.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/container/spec.h"

namespace sandbox::engine {

/// Applies instructions that change a config alone to `config`, the member "config" of the document, in their order and
/// as `build` would. Throws UsageError.
void apply_changes(Json& config, const std::vector<std::string>& instructions);

/// What the container was run with over its image's config.
void apply_own_config(Json& config, const container::Spec& spec);

}  // namespace sandbox::engine
