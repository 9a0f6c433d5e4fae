// The processes of a container, as the host numbers them.
#pragma once

#include <vector>

#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// In numeric order. Throws Conflict when the container has stopped.
std::vector<int> processes_of(const Record& record);

}  // namespace sandbox::runtime
