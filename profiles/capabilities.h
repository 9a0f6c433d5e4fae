// Capabilities as a bit set (capabilities(7)); names with or without CAP_, any case.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::profiles {

std::uint64_t default_capabilities();  ///< Docker's fourteen.
std::uint64_t all_capabilities();      ///< Every one that the running kernel knows.
/// Throws UsageError for an unknown name.
std::uint64_t capability_bit(std::string_view name);
std::vector<std::string> capability_names(std::uint64_t set);  ///< "CAP_CHOWN", …
/// Docker's rules: ALL in either list; drops win over defaults, adds win over drops of ALL.
std::uint64_t apply_capability_options(std::uint64_t base, const std::vector<std::string>& add,
                                       const std::vector<std::string>& drop);

}  // namespace sandbox::profiles
