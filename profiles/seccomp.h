// Seccomp: Docker's JSON profile format to BPF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"

namespace sandbox::profiles {

/// The profile compiled into the program (profiles/default.json).
std::string_view default_seccomp_profile();

/// Compiles `profile` for x86_64/aarch64 of this host; `capabilities` (bit set) decides
/// includes/excludes. Throws InvalidInput naming what is wrong.
std::vector<std::byte> compile_seccomp(const Json& profile, std::uint64_t capabilities);

}  // namespace sandbox::profiles
