#include "fuse-overlay/server/wire.h"

#include <fcntl.h>
#include <linux/fuse.h>

namespace sandbox::overlay::wire {
namespace {

struct Current {
  const char* bytes = nullptr;
  std::size_t size = 0;
  std::uint32_t opcode = 0;
};
thread_local Current current;

/// The request's argument; nullptr when it is shorter.
template <class Argument>
const Argument* argument() noexcept {
  if (current.size < sizeof(fuse_in_header) + sizeof(Argument)) return nullptr;
  return reinterpret_cast<const Argument*>(current.bytes + sizeof(fuse_in_header));
}

}  // namespace

std::uint32_t begin(void* request, std::size_t size) noexcept {
  auto* header = static_cast<fuse_in_header*>(request);
  current = {static_cast<const char*>(request), size, header->opcode};
  if (header->opcode == FUSE_TMPFILE) header->opcode = FUSE_CREATE;
  return current.opcode;
}

void amend_answer(iovec* parts, int count) noexcept {
  if (current.opcode != FUSE_INIT || count != 2 || parts[1].iov_len < sizeof(fuse_init_out)) return;
  const auto* asked = argument<fuse_init_in>();
  if (asked == nullptr) return;
  auto* answer = static_cast<fuse_init_out*>(parts[1].iov_base);
  // Without it every write asks for security.capability first.
  answer->flags |= asked->flags & FUSE_HANDLE_KILLPRIV_V2;
}

bool is_unnamed() noexcept { return current.opcode == FUSE_TMPFILE; }

bool drops_set_ids() noexcept {
  if (current.opcode == FUSE_WRITE) {
    const auto* write = argument<fuse_write_in>();
    return write != nullptr && (write->write_flags & FUSE_WRITE_KILL_SUIDGID) != 0;
  }
  if (current.opcode != FUSE_SETATTR) return false;
  const auto* change = argument<fuse_setattr_in>();
  return change != nullptr && (change->valid & FATTR_KILL_SUIDGID) != 0;
}

bool is_synchronous() noexcept {
  const auto* write = current.opcode == FUSE_WRITE ? argument<fuse_write_in>() : nullptr;
  return write != nullptr && (write->flags & O_DSYNC) != 0;
}

}  // namespace sandbox::overlay::wire
