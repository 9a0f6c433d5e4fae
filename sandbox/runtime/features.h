// What is built in, for `features` (runtime-spec features.md, features-linux.md).
#pragma once

#include "sandbox/base/json_fwd.h"

namespace sandbox::runtime {

OrderedJson features_document();

}  // namespace sandbox::runtime
