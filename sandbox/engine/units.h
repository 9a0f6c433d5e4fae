// Docker's words for numbers: sizes, durations, ulimits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "userns/launch_plan.h"

namespace sandbox::engine {

/// "64m", "1g", "65536", "512kb": bytes, base 1024. Throws UsageError.
std::uint64_t parse_size(std::string_view text);
/// go-units HumanDuration: "Less than a second", "About a minute", "3 hours".
std::string human_duration(std::int64_t seconds);
/// go-units HumanSizeWithPrecision, base 1000: "12.3MB".
std::string human_size(std::uint64_t bytes, int digits = 3);
/// go-units BytesSize, base 1024, four digits: "12.34MiB".
std::string binary_size(std::uint64_t bytes);
/// "nofile=1024:2048". Throws UsageError.
userns::Rlimit parse_ulimit(std::string_view text);
/// "nofile", of a resource that parse_ulimit() knows.
std::string ulimit_name(int resource);
/// Six bytes in hexadecimal digits, between colons or dashes: as "02:42:ac:11:00:02". Throws UsageError.
std::string parse_mac_address(std::string_view text);
/// RFC 3339 in UTC, as `inspect` prints times; zero is Docker's "0001-01-01T00:00:00Z".
std::string format_time(std::int64_t seconds);
/// Seconds since the epoch of an RFC 3339 time; 0 when it is none.
std::int64_t parse_time(const std::string& text);

}  // namespace sandbox::engine
