// What the plan needs to know of this process.
#pragma once

#include "sandbox/runtime/plan.h"

namespace sandbox::runtime {

/// Subordinate ids are only looked up for a configuration without mappings of its own: it takes the user database.
/// Throws SysError.
Caller survey_caller(const oci::Linux& part);

}  // namespace sandbox::runtime
