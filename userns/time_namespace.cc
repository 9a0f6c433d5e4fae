#include "userns/time_namespace.h"

#include "sandbox/base/sys.h"
#include "userns/dumpable.h"
#include "userns/kernel_settings.h"

namespace sandbox::userns {

void make_time_namespace(const std::vector<ClockOffset>& offsets) {
  sys::unshare(CLONE_NEWTIME) | or_throw("making a time namespace");
  // As long as no process is in it; then they are fixed.
  if (!offsets.empty()) {
    const Dumpable dumpable;  // else the file would be root's
    set_clock_offsets(offsets);
  }
  const char* path = "/proc/self/ns/time_for_children";
  const Fd made = sys::openat(AT_FDCWD, path, O_RDONLY) | or_throw("opening '{}'", path);
  sys::setns(made.get(), CLONE_NEWTIME) | or_throw("entering a time namespace");
}

}  // namespace sandbox::userns
