// The content of a file that is copied up: shared blocks where the file system has them, else a copy without
// passing through this process where the kernel can, and holes stay holes.
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

void copy_by_hand(int from, int to, off_t offset, off_t end) {
  std::vector<char> buffer(std::size_t{1} << 17);
  while (offset < end) {
    const auto wanted = std::min(buffer.size(), static_cast<std::size_t>(end - offset));
    const std::size_t count = check(sys::pread(from, buffer.data(), wanted, offset));
    if (count == 0) return;
    check(sys::pwrite_all(to, buffer.data(), count, offset));
    offset += static_cast<off_t>(count);
  }
}

void copy_all_of(int from, int to, off_t offset, off_t end) {
  while (offset < end) {
    off_t source = offset, target = offset;
    const auto count = sys::copy_file_range(from, &source, to, &target, static_cast<std::size_t>(end - offset));
    // Other file systems, old kernels (EXDEV before 5.3) and special files: the ordinary way.
    if (!count) return copy_by_hand(from, to, offset, end);
    if (*count == 0) return;
    offset += static_cast<off_t>(*count);
  }
}

}  // namespace

void Overlay::copy_data(int from, int to, const struct stat& status) {
  if (status.st_size == 0) return;
  if (shares_blocks_.load(std::memory_order_relaxed)) {
    if (::ioctl(to, FICLONE, from) == 0) return;
    if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EXDEV)
      shares_blocks_.store(false, std::memory_order_relaxed);
  }
  if (status.st_blocks >= status.st_size / 512) return copy_all_of(from, to, 0, status.st_size);
  for (off_t at = 0; at < status.st_size;) {
    const auto data = sys::lseek(from, at, SEEK_DATA);
    if (!data && data.error().value == ENXIO) break;  // only a hole is left
    const off_t begin = data ? *data : at;
    const auto hole = sys::lseek(from, begin, SEEK_HOLE);
    at = hole ? *hole : status.st_size;
    copy_all_of(from, to, begin, at);
  }
  check(sys::ftruncate(to, status.st_size));
}

}  // namespace sandbox::overlay
