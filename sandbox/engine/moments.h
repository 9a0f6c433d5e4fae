// Docker's words for points in time, as --since and --until take them.
#pragma once

#include <time.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace sandbox::engine {

/// Go's time.ParseDuration ("1h30m", "-1.5s") in nanoseconds; none for other words.
std::optional<std::int64_t> parse_duration(std::string_view text);

/// "10m" or "1h30m" (Go's durations) before `now`; an RFC 3339 date with as much of its time as is given, in the local
/// time zone unless it names one; or seconds since the epoch with a fraction. Throws UsageError.
timespec parse_moment(std::string_view text, timespec now);

}  // namespace sandbox::engine
