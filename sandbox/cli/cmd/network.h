// The commands of the group `network`.
#pragma once

#include "sandbox/cli/command.h"

namespace sandbox::cli {

extern const Command kNetworkCreate, kNetworkInspect, kNetworkLs, kNetworkPrune, kNetworkRm;

}  // namespace sandbox::cli
