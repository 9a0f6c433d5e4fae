#include "userns/subordinate_ids.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "sandbox/base/file.h"

namespace sandbox::userns {
namespace {

// Of the user's ids, 0 is one: the ranges may hold the rest of what a 32-bit id can say (4294967295 means "none").
constexpr std::uint64_t max_ids = UINT32_MAX - 1;

std::optional<std::uint32_t> number_in(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

std::string_view take_until(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return part;
}

bool overlaps(const IdRange& a, const IdRange& b) {
  return a.first < std::uint64_t{b.first} + b.count && b.first < std::uint64_t{a.first} + a.count;
}

std::string read_if_there(const char* path) { return path_exists(path) ? read_file(path) : std::string(); }

// Where useradd(8) begins to give ranges (SUB_UID_MIN of login.defs(5)).
constexpr std::uint32_t first_subordinate_id = 100000;

}  // namespace

std::vector<IdRange> parse_subordinate_ids(std::string_view text, std::string_view name, std::uint32_t id) {
  std::vector<IdRange> ranges;
  std::uint64_t total = 0;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    const std::string_view owner = take_until(line, ':');
    const auto first = number_in(take_until(line, ':'));
    const auto count = number_in(line);
    if (owner.empty() || (owner != name && number_in(owner) != id)) continue;
    if (!first || !count || *count == 0 || std::uint64_t{*first} + *count > UINT32_MAX) continue;
    const IdRange range{*first, *count};
    if (std::ranges::any_of(ranges, [&](const IdRange& other) { return overlaps(range, other); })) continue;
    if ((total += *count) > max_ids) break;
    ranges.push_back(range);
  }
  return ranges;
}

std::uint32_t first_free_id(std::string_view text, std::uint32_t at_least) {
  std::uint64_t end = at_least;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    take_until(line, ':');
    const auto first = number_in(take_until(line, ':'));
    const auto count = number_in(line);
    if (first && count) end = std::max(end, std::uint64_t{*first} + *count);
  }
  return static_cast<std::uint32_t>(std::min(end, std::uint64_t{UINT32_MAX}));
}

SubordinateIds read_subordinate_ids() {
  const passwd* entry = ::getpwuid(::getuid());
  const std::string user = entry != nullptr ? entry->pw_name : std::to_string(::getuid());
  const std::string uids = read_if_there("/etc/subuid"), gids = read_if_there("/etc/subgid");
  return {parse_subordinate_ids(uids, user, ::getuid()), parse_subordinate_ids(gids, user, ::getuid()), user,
          first_free_id(gids, first_free_id(uids, first_subordinate_id))};
}

std::vector<IdMapping> map_with_ranges(std::uint32_t own, const std::vector<IdRange>& ranges) {
  std::vector<IdMapping> map{{0, own, 1}};
  for (const IdRange& range : ranges) map.push_back({ids_from_zero(map), range.first, range.count});
  return map;
}

std::uint32_t ids_from_zero(const std::vector<IdMapping>& map) {
  std::uint32_t end = 0;
  for (const IdMapping& line : map) {
    if (line.inside == end) end += line.count;
  }
  return end;
}

std::vector<IdMapping> nest_map(const std::vector<IdMapping>& map, const std::vector<IdMapping>& parent) {
  std::vector<IdMapping> nested;
  for (const IdMapping& line : map) {
    for (const IdMapping& extent : parent) {
      const std::uint64_t begin = std::max(line.outside, extent.inside);
      const std::uint64_t end = std::min(std::uint64_t{line.outside} + line.count, std::uint64_t{extent.inside} + extent.count);
      if (begin >= end) continue;
      nested.push_back({static_cast<std::uint32_t>(line.inside + (begin - line.outside)), static_cast<std::uint32_t>(begin),
                        static_cast<std::uint32_t>(end - begin)});
    }
  }
  return nested;
}

}  // namespace sandbox::userns
