// POSIX access control lists of layers' files, as the kernel has them in extended attributes (acl(5); xattr(7),
// "Extended system attributes"; linux/posix_acl_xattr.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::overlay {

inline constexpr std::string_view kAccessAcl = "system.posix_acl_access", kDefaultAcl = "system.posix_acl_default";

bool is_acl(std::string_view attribute);  ///< One of the two.

struct AclEntry {
  enum class Tag : std::uint16_t { user_obj = 1, user = 2, group_obj = 4, group = 8, mask = 16, other = 32 };
  Tag tag = Tag::other;
  std::uint16_t permissions = 0;  ///< Of the bits 07.
  std::uint32_t id = 0;           ///< Of `user` and `group`.
};

/// The attribute's value; entries may come in any order.
std::string acl_value(std::vector<AclEntry> entries);

/// Whether all users and groups that a value names have a number. From inside a user namespace those that it doesn't
/// map have none.
bool has_all_ids(std::string_view value);

}  // namespace sandbox::overlay
