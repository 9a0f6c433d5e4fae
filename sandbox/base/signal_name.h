// Names of signals. Pure.
#pragma once

#include <string_view>

namespace sandbox {

/// "TERM", "SIGTERM", "15", "RTMIN+3". Throws UsageError "invalid signal: X".
int parse_signal(std::string_view text);

}  // namespace sandbox
