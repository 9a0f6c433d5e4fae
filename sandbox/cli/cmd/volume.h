// The commands of the group `volume`.
#pragma once

#include "sandbox/cli/command.h"

namespace sandbox::cli {

extern const Command kVolumeCreate, kVolumeLs, kVolumeInspect, kVolumeRm, kVolumePrune;

}  // namespace sandbox::cli
