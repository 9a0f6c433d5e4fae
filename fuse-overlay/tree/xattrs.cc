// Extended attributes. Those of the on-disk format are neither shown nor changed: a container that could
// write them would make directories opaque or whiteouts in other layers' names.
#include <errno.h>

#include "fuse-overlay/tree/format.h"
#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
Result<std::string> Overlay::attribute(Node& node, const std::string& name, std::size_t size) {
  if (is_private(name)) return std::unexpected(Errno{ENODATA});
  const bool of_capability = name == kCapability;
  if (of_capability && node.capability == Node::Capability::absent) return std::unexpected(Errno{ENODATA});
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  std::string value(size, '\0');
  const auto count = sys::getxattr(at.absolute().c_str(), name.c_str(), value.data(), size, at.follow());
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
    if (!is_private(name)) shown.append(name).push_back('\0');
    rest.remove_prefix(std::min(name.size() + 1, rest.size()));
  }
  return shown;
}

void Overlay::set_attribute(Node& node, const std::string& name, std::string_view value, int flags) {
  if (is_private(name)) throw Failure{EPERM};
  copy_up(node);
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  if (name == kCapability) node.capability = Node::Capability::possible;
  check(sys::setxattr(at.absolute().c_str(), name.c_str(), value.data(), value.size(), flags, at.follow()));
}

void Overlay::remove_attribute(Node& node, const std::string& name) {
  if (is_private(name)) throw Failure{EPERM};
  require_writable();
  if (const auto present = attribute(node, name, 0); !present) throw Failure{present.error().value};
  copy_up(node);
  const Shared lock(tree_lock_);
  const Location at = locate(node);
  check(sys::removexattr(at.absolute().c_str(), name.c_str(), at.follow()));
}

}  // namespace sandbox::overlay
