#include "fuse-overlay/server/request_counts.h"

#include <linux/fuse.h>

#include "sandbox/base/error.h"

namespace sandbox::overlay {
namespace {

struct Kind {
  std::uint32_t opcode;
  const char* name;
};
constexpr Kind kNames[] = {{FUSE_LOOKUP, "lookup"},
                           {FUSE_FORGET, "forget"},
                           {FUSE_GETATTR, "getattr"},
                           {FUSE_SETATTR, "setattr"},
                           {FUSE_READLINK, "readlink"},
                           {FUSE_SYMLINK, "symlink"},
                           {FUSE_MKNOD, "mknod"},
                           {FUSE_MKDIR, "mkdir"},
                           {FUSE_UNLINK, "unlink"},
                           {FUSE_RMDIR, "rmdir"},
                           {FUSE_RENAME, "rename"},
                           {FUSE_LINK, "link"},
                           {FUSE_OPEN, "open"},
                           {FUSE_READ, "read"},
                           {FUSE_WRITE, "write"},
                           {FUSE_STATFS, "statfs"},
                           {FUSE_RELEASE, "release"},
                           {FUSE_FSYNC, "fsync"},
                           {FUSE_SETXATTR, "setxattr"},
                           {FUSE_GETXATTR, "getxattr"},
                           {FUSE_LISTXATTR, "listxattr"},
                           {FUSE_REMOVEXATTR, "removexattr"},
                           {FUSE_FLUSH, "flush"},
                           {FUSE_INIT, "init"},
                           {FUSE_OPENDIR, "opendir"},
                           {FUSE_READDIR, "readdir"},
                           {FUSE_RELEASEDIR, "releasedir"},
                           {FUSE_FSYNCDIR, "fsyncdir"},
                           {FUSE_CREATE, "create"},
                           {FUSE_INTERRUPT, "interrupt"},
                           {FUSE_IOCTL, "ioctl"},
                           {FUSE_BATCH_FORGET, "batch_forget"},
                           {FUSE_FALLOCATE, "fallocate"},
                           {FUSE_READDIRPLUS, "readdirplus"},
                           {FUSE_RENAME2, "rename2"},
                           {FUSE_LSEEK, "lseek"},
                           {FUSE_COPY_FILE_RANGE, "copy_file_range"},
                           {FUSE_SYNCFS, "syncfs"},
                           {FUSE_TMPFILE, "tmpfile"}};

}  // namespace

std::string RequestCounts::text() const {
  std::string text;
  for (std::uint32_t opcode = 0; opcode < kKinds; ++opcode) {
    const std::uint64_t count = counts_[opcode].load(std::memory_order_relaxed);
    if (count == 0) continue;
    const Kind* known = nullptr;
    for (const Kind& kind : kNames) {
      if (kind.opcode == opcode) known = &kind;
    }
    if (!text.empty()) text += ", ";
    text += known != nullptr ? fmt::format("{} {}", known->name, count) : fmt::format("number {}: {}", opcode, count);
  }
  return text;
}

}  // namespace sandbox::overlay
