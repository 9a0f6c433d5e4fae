// See shared_lock.h.
#include "sandbox/base/shared_lock.h"

#include <errno.h>
#include <fcntl.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox {

SharedLock::SharedLock(const std::string& path) {
  fd_ = sys::openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT, 0600) | or_throw("opening lock '{}'", path);
  struct flock whole {};
  whole.l_type = F_RDLCK;
  whole.l_whence = SEEK_SET;
  while (::fcntl(fd_.get(), F_OFD_SETLKW, &whole) < 0) {
    if (errno != EINTR) throw SysError(Errno{errno}, fmt::format("locking '{}'", path));
  }
}

}  // namespace sandbox
