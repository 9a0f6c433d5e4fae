// Open regular files.
#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

bool wants_to_write(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

}  // namespace

int backing_flags(int flags) {
  // With a writeback cache the kernel reads pages that are written in part, and places appended data itself.
  const int access = (flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR;
  return access | (flags & (O_TRUNC | O_SYNC | O_DSYNC));
}

std::unique_ptr<OpenFile> Overlay::open(Node& node, int flags) {
  if (!S_ISREG(node.type)) throw Failure{ENXIO};
  if (wants_to_write(flags)) copy_up(node, (flags & O_TRUNC) == 0);
  const Shared lock(tree_lock_);
  auto file = std::make_unique<OpenFile>(node);
  file->fd = std::make_shared<const Fd>(open_object(node, backing_flags(flags)));
  file->layer = node.top;
  return file;
}

std::shared_ptr<const Fd> Overlay::current(OpenFile& file) {
  const Shared tree(tree_lock_);
  const std::lock_guard lock(file.mutex);
  if (file.layer != file.node.top) {
    file.fd = std::make_shared<const Fd>(open_object(file.node, O_RDONLY));
    file.layer = file.node.top;
  }
  return file.fd;
}

}  // namespace sandbox::overlay
