// What the plan needs to know of this process.
#pragma once

#include "sandbox/runtime/plan.h"

namespace sandbox::runtime {

Caller survey_caller();

}  // namespace sandbox::runtime
