// The commands of the group `network`.
#pragma once

#include "sandbox/cli/command.h"

namespace sandbox::cli {

// One a line, sorted.
extern const Command
    kNetworkConnect,
    kNetworkCreate,
    kNetworkDisconnect,
    kNetworkInspect,
    kNetworkLs,
    kNetworkPrune,
    kNetworkRm;

}  // namespace sandbox::cli
