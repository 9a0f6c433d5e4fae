// The flags of `run` that say what the container's process is like: umask, groups, OOM score, kernel parameters. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::engine {

/// Octal, at most 0777; empty: 022. Throws UsageError.
std::uint32_t parse_umask(const std::string& text);

/// From -1000 to 1000; empty: none. Throws UsageError.
std::optional<std::int32_t> parse_oom_score_adj(const std::string& text);

/// "name=value" each. Throws UsageError for a parameter that is not of one of the container's own namespaces.
std::vector<userns::Sysctl> parse_sysctls(const std::vector<std::string>& words,
                                          const userns::NamespacePlan& namespaces);

/// Numbers, or names in `group`, the text of the image's file. Throws UsageError.
std::vector<std::uint32_t> find_groups(const std::vector<std::string>& words, std::string_view group);

}  // namespace sandbox::engine
