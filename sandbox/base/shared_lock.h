// The other side of a FileLock (file.h): while one of these lives nobody has that, but others may have one of these.
#pragma once

#include <string>

#include "sandbox/base/fd.h"

namespace sandbox {

/// A shared OFD lock (fcntl(2), F_OFD_SETLKW) on a file that is created when absent. Freed with the object, or by the
/// kernel when the holder dies. Throws SysError.
class SharedLock {
 public:
  explicit SharedLock(const std::string& path);

 private:
  Fd fd_;
};

}  // namespace sandbox
