// The commands of the group `manifest`.
#pragma once

#include "sandbox/cli/command.h"

namespace sandbox::cli {

extern const Command kManifestCreate, kManifestAnnotate, kManifestInspect, kManifestPush, kManifestRm;

}  // namespace sandbox::cli
