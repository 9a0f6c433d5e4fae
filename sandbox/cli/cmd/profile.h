// The commands of the group `profile`.
#pragma once

#include "sandbox/cli/command.h"

namespace sandbox::cli {

extern const Command kProfileLs, kProfileInspect, kProfileExplain;

}  // namespace sandbox::cli
