#include "fuse-overlay/store/attributes.h"

#include <linux/capability.h>
#include <linux/limits.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "fuse-overlay/store/acl.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

bool is_layer_attribute(std::string_view name) {
  constexpr std::array<std::string_view, 5> reserved = {"user.overlay.", "user.fuseoverlayfs.", "user.containers.",
                                                        "user.sandbox.",     "user.rootlesscontainers"};
  return name.starts_with("user.") &&
         std::none_of(reserved.begin(), reserved.end(), [&](std::string_view r) { return name.starts_with(r); });
}

std::string portable_capability(std::string value) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the attribute is little-endian");
  std::uint32_t magic = 0;
  if (value.size() != XATTR_CAPS_SZ_3) return value;
  std::memcpy(&magic, value.data(), sizeof magic);
  magic = (magic & VFS_CAP_FLAGS_EFFECTIVE) | VFS_CAP_REVISION_2;
  std::memcpy(value.data(), &magic, sizeof magic);
  value.resize(XATTR_CAPS_SZ_2);
  return value;
}

std::vector<std::pair<std::string, std::string>> layer_attributes(int fd) {
  std::vector<std::pair<std::string, std::string>> found;
  const auto size = sys::flistxattr(fd, nullptr, 0);
  if (!size || *size == 0) return found;  // none, or a file system without them
  std::string names(XATTR_LIST_MAX, '\0');
  names.resize(sys::flistxattr(fd, names.data(), names.size()) | or_throw("listing extended attributes"));
  std::string value(XATTR_SIZE_MAX, '\0');
  for (std::string_view rest = names; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
    const bool capability = name == "security.capability";
    if (!capability && !is_layer_attribute(name) && !is_acl(name)) continue;
    const auto count = sys::fgetxattr(fd, name.c_str(), value.data(), value.size());
    if (!count) continue;  // removed meanwhile
    std::string content = value.substr(0, *count);
    if (is_acl(name) && !has_all_ids(content)) continue;  // of this machine: inherited from the store's own directory
    found.emplace_back(name, capability ? portable_capability(std::move(content)) : std::move(content));
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace sandbox::overlay
