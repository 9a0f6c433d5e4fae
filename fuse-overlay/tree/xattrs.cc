// Extended attributes. Those of the on-disk format are neither shown nor changed: a container that could
// write them would make directories opaque or whiteouts in other layers' names. What it calls so has another name
// there.
#include <errno.h>
#include <linux/limits.h>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr std::string_view kSecurityPrefix = "security.";

std::string name_on_disk(const std::string& name) {
  if (!name.starts_with(kPrivatePrefix)) return name;
  std::string escaped = std::string(kEscapedPrefix) + name.substr(kPrivatePrefix.size());
  if (escaped.size() > XATTR_NAME_MAX) throw Failure{EOPNOTSUPP};
  return escaped;
}

/// Removing one that isn't there says whether it could be removed (cap_inode_removexattr() in security/commoncap.c).
int error_of_absent(const std::string& name) {
  return name.starts_with(kSecurityPrefix) && name != kCapability ? EPERM : ENODATA;
}

}  // namespace

Result<std::string> Overlay::attribute(Node& node, const std::string& name, std::size_t size) {
  const bool of_capability = name == kCapability;
  if (of_capability && node.capability == Node::Capability::absent) return std::unexpected(Errno{ENODATA});
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  std::string value(size, '\0');
  const auto count = sys::getxattr(at.absolute().c_str(), name_on_disk(name).c_str(), value.data(), size, at.follow());
  auto unknown = Node::Capability::unknown;
  if (!count && of_capability && count.error().value == ENODATA) {
    node.capability.compare_exchange_strong(unknown, Node::Capability::absent);
  }
  if (!count) return std::unexpected(count.error());
  value.resize(*count);
  return value;
}

std::string Overlay::attribute_names(Node& node) {
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  std::string all(kMostNames, '\0');
  all.resize(check(sys::listxattr(at.absolute().c_str(), all.data(), all.size(), at.follow())));
  std::string shown;
  for (std::string_view rest = all; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    if (name.starts_with(kEscapedPrefix)) {
      shown.append(kPrivatePrefix).append(name.substr(kEscapedPrefix.size())).push_back('\0');
    } else if (!is_private(name)) {
      shown.append(name).push_back('\0');
    }
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
  }
  return shown;
}

void Overlay::set_attribute(Node& node, const std::string& name, std::string_view value, int flags) {
  const Changes::Guard guard(changes_);
  copy_up(node);
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  if (name == kCapability) node.capability = Node::Capability::possible;
  const auto reserved = reserve_attribute(node);
  check(
      sys::setxattr(at.absolute().c_str(), name_on_disk(name).c_str(), value.data(), value.size(), flags, at.follow()));
  if (quota_.is_limited()) count_size(node, disk_status(node));
}

/// Beside the object, or in a block of their own, is where file systems keep attributes.
Quota::Reservation Overlay::reserve_attribute(Node& node) {
  if (!quota_.is_limited()) return {quota_, 0, false};
  know_size(node, disk_status(node));
  return quota_.reserve(1, 4096, false);
}

void Overlay::remove_attribute(Node& node, const std::string& name) {
  const Changes::Guard guard(changes_);
  require_writable();
  if (const auto present = attribute(node, name, 0); !present) {
    throw Failure{present.error().value == ENODATA ? error_of_absent(name) : present.error().value};
  }
  copy_up(node);
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  check(sys::removexattr(at.absolute().c_str(), name_on_disk(name).c_str(), at.follow()));
}

}  // namespace sandbox::overlay
