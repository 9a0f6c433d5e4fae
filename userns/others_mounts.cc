// See others_mounts.h.
#include "userns/others_mounts.h"

#include <linux/mount.h>

#include <cstddef>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"

namespace sandbox::userns {

Fd clone_of_others(const MountOp& op, const std::vector<OpenedNamespace>& joined) {
  std::vector<OpenedNamespace> entered = open_namespaces({{NamespaceKind::mount, op.mounts_of}});
  if (entered.empty()) throw InvalidInput(fmt::format("'{}' is nobody else's mount namespace", op.mounts_of));
  for (const OpenedNamespace& each : joined) {
    if (each.kind != NamespaceKind::user) continue;
    entered.push_back({each.kind, sys::dup(each.file.get()) | or_throw("holding a user namespace")});
  }
  const sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair");
  AskedChild child([&] {
    enter_unseen(entered);
    const Fd copy = sys::open_tree(AT_FDCWD, op.source.c_str(), OPEN_TREE_CLONE) |
                    or_throw("bind source '{}' of another container", op.source);
    const int fds[] = {copy.get()};
    const std::byte word{};
    sys::send_message(channel.second.get(), {&word, 1}, fds) | or_throw("handing over '{}'", op.source);
    return std::string();
  });
  (void)child.answer();
  sys::Message message = sys::receive_message(channel.first.get(), 1) | or_throw("receiving '{}'", op.source);
  if (message.fds.size() != 1) throw Error(fmt::format("'{}' of another container did not come", op.source));
  return std::move(message.fds[0]);
}

}  // namespace sandbox::userns
