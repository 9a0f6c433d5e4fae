#include "fuse-overlay/store/acl.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace sandbox::overlay {
namespace {

constexpr std::uint32_t kVersion = 2, kNobody = 0xffff'ffff;

struct Stored {
  std::uint16_t tag, permissions;
  std::uint32_t id;
};
static_assert(sizeof(Stored) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the attribute is little-endian");

bool is_named(std::uint16_t tag) {
  return tag == static_cast<std::uint16_t>(AclEntry::Tag::user) ||
         tag == static_cast<std::uint16_t>(AclEntry::Tag::group);
}

void append(std::string& value, const auto& field) {
  value.append(reinterpret_cast<const char*>(&field), sizeof field);
}

}  // namespace

bool is_acl(std::string_view attribute) { return attribute == kAccessAcl || attribute == kDefaultAcl; }

std::string acl_value(std::vector<AclEntry> entries) {
  // The kernel takes no other order than that of the tags' numbers.
  std::ranges::sort(entries, {}, [](const AclEntry& entry) { return std::tuple(entry.tag, entry.id); });
  std::string value;
  append(value, kVersion);
  for (const AclEntry& entry : entries) {
    const auto tag = static_cast<std::uint16_t>(entry.tag);
    append(value, Stored{tag, entry.permissions, is_named(tag) ? entry.id : kNobody});
  }
  return value;
}

bool has_all_ids(std::string_view value) {
  for (std::size_t at = sizeof kVersion; at + sizeof(Stored) <= value.size(); at += sizeof(Stored)) {
    Stored entry;
    std::memcpy(&entry, value.data() + at, sizeof entry);
    if (is_named(entry.tag) && entry.id == kNobody) return false;
  }
  return true;
}

}  // namespace sandbox::overlay
