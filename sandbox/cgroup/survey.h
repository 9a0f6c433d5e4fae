// Reads what placement.h decides over. Any process; changes nothing.
#pragma once

#include "sandbox/cgroup/placement.h"

namespace sandbox::cgroup {

/// What this process can find out without talking to anybody.
Surroundings survey();

}  // namespace sandbox::cgroup
