// See moments.h (moby's api/types/time, GetTimestamp). Pure but for the local time zone.
#include "sandbox/engine/moments.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

#include "sandbox/base/error.h"

namespace sandbox::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;  // nanoseconds
constexpr double kLongest = 4e18;                // nanoseconds: now and so much before or after it can be counted

/// Takes a decimal number of at most `most` digits off `rest`.
std::optional<int> take_number(std::string_view& rest, std::size_t most) {
  int number = 0;
  const std::string_view digits = rest.substr(0, most);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || digits.front() == '-') return {};
  rest.remove_prefix(static_cast<std::size_t>(end - digits.data()));
  return number;
}

bool take(std::string_view& rest, char c) {
  if (!rest.starts_with(c)) return false;
  rest.remove_prefix(1);
  return true;
}

struct Unit {
  std::string_view name;
  double nanoseconds;
};
// Longer names first: "m" begins "ms".
constexpr Unit kUnits[] = {{"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

/// ".5" as nanoseconds; nothing is 0.
std::optional<long> take_fraction(std::string_view& rest) {
  if (!take(rest, '.')) return 0;
  long nanoseconds = 0, digits = 0;
  while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
    if (digits++ < 9) nanoseconds = nanoseconds * 10 + (rest.front() - '0');
    rest.remove_prefix(1);
  }
  if (digits == 0) return {};
  for (; digits < 9; ++digits) nanoseconds *= 10;
  return nanoseconds;
}

std::optional<timespec> parse_epoch(std::string_view rest) {
  timespec moment{};
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), moment.tv_sec);
  if (error != std::errc{}) return {};
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  const auto fraction = take_fraction(rest);
  if (!fraction || !rest.empty()) return {};
  moment.tv_nsec = *fraction;
  return moment;
}

/// "Z" or "+02:00" in seconds; nothing when there is none.
bool take_zone(std::string_view& rest, std::optional<long>& seconds) {
  if (take(rest, 'Z')) {
    seconds = 0;
  } else if (rest.starts_with('+') || rest.starts_with('-')) {
    const long sign = take(rest, '-') ? -1 : 1;
    if (sign == 1) (void)take(rest, '+');
    const auto hours = take_number(rest, 2);
    if (!hours || !take(rest, ':')) return false;
    const auto minutes = take_number(rest, 2);
    if (!minutes) return false;
    seconds = sign * (*hours * 3600L + *minutes * 60L);
  }
  return rest.empty();
}

std::optional<timespec> parse_date(std::string_view rest) {
  const auto year = take_number(rest, 4);
  if (!year || !take(rest, '-')) return {};
  const auto month = take_number(rest, 2);
  if (!month || !take(rest, '-')) return {};
  const auto day = take_number(rest, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return {};
  tm parts{};
  parts.tm_year = *year - 1900;
  parts.tm_mon = *month - 1;
  parts.tm_mday = *day;
  parts.tm_isdst = -1;
  long nanoseconds = 0;
  if (take(rest, 'T')) {
    int* const fields[] = {&parts.tm_hour, &parts.tm_min, &parts.tm_sec};
    constexpr int bounds[] = {23, 59, 60};
    for (std::size_t i = 0; i < 3 && (i == 0 || take(rest, ':')); ++i) {
      const auto number = take_number(rest, 2);
      if (!number || *number > bounds[i]) return {};
      *fields[i] = *number;
    }
    const auto fraction = take_fraction(rest);
    if (!fraction) return {};
    nanoseconds = *fraction;
  }
  std::optional<long> zone;
  if (!take_zone(rest, zone)) return {};
  const time_t seconds = zone ? ::timegm(&parts) - *zone : ::mktime(&parts);
  return timespec{.tv_sec = seconds, .tv_nsec = nanoseconds};
}

}  // namespace

std::optional<std::int64_t> parse_duration(std::string_view rest) {
  const bool negative = take(rest, '-');
  if (!negative) (void)take(rest, '+');
  if (rest == "0") return 0;
  double sum = 0;
  do {
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc{} || !std::isfinite(number) || rest.front() == '-') return {};
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const Unit* unit = nullptr;
    for (const Unit& known : kUnits) {
      if (unit == nullptr && rest.starts_with(known.name)) unit = &known;
    }
    if (unit == nullptr) return {};
    rest.remove_prefix(unit->name.size());
    sum += number * unit->nanoseconds;
  } while (!rest.empty());
  if (sum > kLongest) return {};
  return static_cast<std::int64_t>(negative ? -sum : sum);
}

timespec parse_moment(std::string_view text, timespec now) {
  if (!text.empty()) {
    if (const auto before = parse_duration(text)) {
      const std::int64_t moment = now.tv_sec * kSecond + now.tv_nsec - *before;
      const std::int64_t rest = (moment % kSecond + kSecond) % kSecond;
      return {.tv_sec = (moment - rest) / kSecond, .tv_nsec = rest};
    }
    if (const auto moment = parse_date(text)) return *moment;
    if (const auto moment = parse_epoch(text)) return *moment;
  }
  throw UsageError(fmt::format("failed to parse value as time or duration: \"{}\"", text));
}

}  // namespace sandbox::engine
