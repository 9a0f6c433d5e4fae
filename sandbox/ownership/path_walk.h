// A path followed step by step, where the kernel would take our own place in procfs for that of the process in whose
// name it is followed: /dev/stdout leads to /proc/self/fd/1.
#pragma once

#include <string>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

namespace sandbox::ownership {

/// A thread's numbers in the pid namespace of the procfs that it sees.
struct ProcNumbers {
  std::string process, thread;
};

/// The object at `path`, as O_PATH, in this process's root and from its working directory, as `self` would find it.
/// `follow`: also a symbolic link at the end. A magic link is followed where the kernel lets this process do so: it has
/// CAP_SYS_PTRACE in the container's user namespace, and in no other (proc(5), ptrace(2)).
Result<Fd> walk_path(const std::string& path, bool follow, const ProcNumbers& self);

}  // namespace sandbox::ownership
