// What a compiled seccomp filter answers to a system call, for whoever asks before it is in force. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>

namespace sandbox::profiles {

/// The number of a call of this architecture; none: there is no such call.
std::optional<std::uint32_t> call_number(const std::string& name);

/// Each answer (SECCOMP_RET_*, seccomp(2)) that `filter` was seen to give to the call: every condition that its
/// arguments can meet on the way is tried both ways. An empty filter allows. Throws InvalidInput for a filter that the
/// kernel would not take.
std::set<std::uint32_t> possible_answers(std::span<const std::byte> filter, std::uint32_t number);

/// Such an answer in words: "allowed", "denied: Operation not permitted (EPERM)".
std::string answer_text(std::uint32_t answer);

}  // namespace sandbox::profiles
