// `commit --change`: instructions of a Dockerfile that change an image's config (image-spec config.md). Pure.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/container/spec.h"

namespace sandbox::engine {

/// Applies CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR to `config`, the member
/// "config" of the document. $NAME and ${NAME} stand for the config's variables, but in CMD and ENTRYPOINT. Throws
/// UsageError.
void apply_change(Json& config, const std::string& instruction);

/// What the container was run with over its image's config.
void apply_own_config(Json& config, const container::Spec& spec);

}  // namespace sandbox::engine
