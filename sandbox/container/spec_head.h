// What a spec's head says of its plan, for listings. Pure.
#pragma once

#include <string>

#include "sandbox/container/spec.h"

namespace sandbox::container {

/// Makes command, network and mounts agree with the plan of the container whose files are in `directory`,
/// <data>/containers/<id>.
void fill_head(Spec& spec, const std::string& directory);

}  // namespace sandbox::container
