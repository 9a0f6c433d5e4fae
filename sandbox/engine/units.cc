// See units.h. Pure.
#include "sandbox/engine/units.h"

#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>

#include <charconv>
#include <span>

#include "sandbox/base/error.h"

namespace sandbox::engine {
namespace {

template <class T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

struct NamedLimit {
  const char* name;
  int resource;
};
constexpr NamedLimit kLimits[] = {
    {"core", RLIMIT_CORE},       {"cpu", RLIMIT_CPU},           {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},     {"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
    {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},       {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},     {"rss", RLIMIT_RSS},           {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME},   {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

std::uint64_t parse_limit(std::string_view text, std::string_view whole) {
  if (text == "-1" || text == "unlimited") return UINT64_MAX;
  std::uint64_t value = 0;
  if (!parse_number(text, value)) throw UsageError(fmt::format("invalid ulimit value: {}", whole));
  return value;
}

}  // namespace

std::uint64_t parse_size(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  if (digits == 0 || !parse_number(text.substr(0, digits), number)) {
    throw UsageError(fmt::format("invalid size: '{}'", text));
  }
  std::string unit;
  for (const char c : text.substr(digits)) unit += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  if (unit.ends_with("ib") && unit.size() == 3) unit.resize(1);
  if (unit.ends_with('b')) unit.pop_back();
  static constexpr std::string_view kUnits = "kmgtp";
  double factor = 1;
  if (!unit.empty()) {
    const auto index = unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
    if (index == std::string_view::npos) throw UsageError(fmt::format("invalid size: '{}'", text));
    for (std::size_t i = 0; i <= index; ++i) factor *= 1024;
  }
  if (number * factor >= 9.2e18) throw UsageError(fmt::format("invalid size: '{}'", text));
  return static_cast<std::uint64_t>(number * factor);
}

std::string human_duration(std::int64_t seconds) {
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return fmt::format("{} seconds", seconds);
  const std::int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  const std::int64_t hours = (seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
  if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
  if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
  return fmt::format("{} years", hours / 24 / 365);
}

namespace {

/// In the largest of the units that leaves one before the point, with so many digits.
std::string sized(std::uint64_t bytes, double base, int digits, std::span<const char* const> units) {
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= base && unit + 1 < units.size()) {
    size /= base;
    ++unit;
  }
  return fmt::format("{:.{}g}{}", size, digits, units[unit]);
}

}  // namespace

std::string human_size(std::uint64_t bytes, int digits) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  return sized(bytes, 1000, digits, kUnits);
}

std::string binary_size(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  return sized(bytes, 1024, 4, kUnits);
}

userns::Rlimit parse_ulimit(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) throw UsageError(fmt::format("invalid ulimit argument: {}", text));
  for (const NamedLimit& limit : kLimits) {
    if (text.substr(0, equals) != limit.name) continue;
    const std::string_view value = text.substr(equals + 1);
    const auto colon = value.find(':');
    const std::uint64_t soft = parse_limit(value.substr(0, colon), text);
    const std::uint64_t hard = colon == std::string_view::npos ? soft : parse_limit(value.substr(colon + 1), text);
    if (soft > hard) throw UsageError(fmt::format("ulimit soft limit must be less than or equal to hard limit: {}", text));
    return {limit.resource, soft, hard};
  }
  throw UsageError(fmt::format("invalid ulimit type: {}", text.substr(0, equals)));
}

std::string ulimit_name(int resource) {
  for (const NamedLimit& limit : kLimits) {
    if (limit.resource == resource) return limit.name;
  }
  return fmt::format("{}", resource);
}

std::string parse_mac_address(std::string_view text) {
  const auto refuse = [&](const char* reason) {
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--mac-address\" flag: {}", text, reason));
  };
  constexpr std::size_t length = 17;  // "02:42:ac:11:00:02"
  if (text.size() != length) refuse("not an address of six bytes like 02:42:ac:11:00:02");
  std::string address;
  for (std::size_t i = 0; i < length; ++i) {
    const auto c = static_cast<char>(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i]);
    const bool separates = i % 3 == 2, is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (separates ? c != ':' && c != '-' : !is_digit) refuse("not an address of six bytes like 02:42:ac:11:00:02");
    address += separates ? ':' : c;
  }
  if (address == "00:00:00:00:00:00") refuse("nobody's address");
  unsigned first = 0;
  std::from_chars(address.data(), address.data() + 2, first, 16);
  if ((first & 1) != 0) refuse("the address of many (its first byte is odd)");
  return address;
}

std::string format_time(std::int64_t seconds) {
  if (seconds == 0) return "0001-01-01T00:00:00Z";
  const time_t when = seconds;
  tm parts{};
  ::gmtime_r(&when, &parts);
  char text[32];
  return std::string(text, ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

std::int64_t parse_time(const std::string& text) {
  tm parts{};
  return ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) != nullptr ? ::timegm(&parts) : 0;
}

}  // namespace sandbox::engine
