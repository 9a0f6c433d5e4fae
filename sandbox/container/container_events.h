// What happens to containers, for `events`.
#pragma once

#include <map>
#include <string>

#include "sandbox/base/places.h"
#include "sandbox/container/spec.h"

namespace sandbox::container {

/// Records it, with the container's image, name and labels beside `more`. Nothing of a build's step.
void record_container_event(const Places& places, const SpecHead& spec, const std::string& action,
                            const std::map<std::string, std::string>& more = {});

}  // namespace sandbox::container
