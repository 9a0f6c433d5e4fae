// Seccomp: Docker's JSON profile format to BPF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"

namespace sandbox::profiles {

/// The profile compiled into the program (profiles/seccomp/default.json).
std::string_view default_seccomp_profile();

/// What becomes of a name that libseccomp does not know: mostly a system call that is newer. Ignored: the default
/// action.
enum class UnknownCalls { ignored, refused };

/// Compiles `profile` for x86_64/aarch64 of this host; `capabilities` (bit set) decides
/// includes/excludes. Throws InvalidInput naming what is wrong.
std::vector<std::byte> compile_seccomp(const Json& profile, std::uint64_t capabilities,
                                       UnknownCalls unknown = UnknownCalls::ignored);

/// `profile` without `names`: each is denied with EPERM, whatever the profile says of it. Throws InvalidInput for a
/// name that is no system call.
Json without_calls(Json profile, const std::vector<std::string>& names);

/// The names that a profile may use, sorted.
std::vector<std::string> seccomp_actions();
std::vector<std::string> seccomp_operators();

}  // namespace sandbox::profiles
