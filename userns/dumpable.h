// Whether a process's files in /proc are its own user's (proc(5), "dumpable"), who can then look into it as well.
#pragma once

#include <sys/prctl.h>

namespace sandbox::userns {

/// The calling process is dumpable during this object's life, and so are those that it clones then.
class Dumpable {
 public:
  Dumpable() : before_(::prctl(PR_GET_DUMPABLE)) { ::prctl(PR_SET_DUMPABLE, 1); }
  ~Dumpable() { ::prctl(PR_SET_DUMPABLE, before_); }
  Dumpable(const Dumpable&) = delete;
  Dumpable& operator=(const Dumpable&) = delete;

 private:
  int before_;
};

}  // namespace sandbox::userns
