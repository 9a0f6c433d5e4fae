// Ranges of user and group ids that the administrator gave to this user (subuid(5), subgid(5)).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::userns {

struct IdRange {
  std::uint32_t first = 0, count = 0;
};

struct SubordinateIds {
  std::vector<IdRange> uids, gids;
  std::string user;              ///< The caller's name, or number where it has none.
  std::uint32_t first_free = 0;  ///< From here on nobody has a range.
  bool complete() const { return !uids.empty() && !gids.empty(); }
};

/// The ranges of lines "owner:first:count" whose owner is `name` or the number `id`. Lines that are malformed, empty
/// or beyond 32 bits, and ranges that overlap an earlier one of the same user, give nothing. Pure.
std::vector<IdRange> parse_subordinate_ids(std::string_view text, std::string_view name, std::uint32_t id);

/// The first id behind all ranges in `text`, and not below `at_least`. Pure.
std::uint32_t first_free_id(std::string_view text, std::uint32_t at_least);

/// Those of the calling user, in /etc/subuid and /etc/subgid; empty where the files or lines are missing.
SubordinateIds read_subordinate_ids();

/// The map of a namespace in which 0 is `own` and 1, 2, … are the ranges in their order. Pure.
std::vector<IdMapping> map_with_ranges(std::uint32_t own, const std::vector<IdRange>& ranges);

/// How many ids from 0 on `map` covers without a gap. Pure.
std::uint32_t ids_from_zero(const std::vector<IdMapping>& map);

/// `map`, whose `outside` counts in a namespace with the map `parent`, cut so that each line lies within one line of
/// the parent's: the kernel takes no other (user_namespaces(7)). Ids that the parent doesn't have are left out. Pure.
std::vector<IdMapping> nest_map(const std::vector<IdMapping>& map, const std::vector<IdMapping>& parent);

}  // namespace sandbox::userns
