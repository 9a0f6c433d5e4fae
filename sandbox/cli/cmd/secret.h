// The commands of the group `secret`.
#pragma once

#include "sandbox/cli/command.h"

namespace sandbox::cli {

extern const Command
    kSecretCreate,
    kSecretExists,
    kSecretInspect,
    kSecretLs,
    kSecretRm;

}  // namespace sandbox::cli
