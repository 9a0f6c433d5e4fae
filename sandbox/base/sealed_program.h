// This program's file, out of reach of what its children execute.
//
// A program of a container can come to run as /proc/self/exe of its own starting (a link exchanged at the last
// moment, an interpreter that the host's binfmt_misc names), and so get a descriptor of our file (CVE-2019-5736). As root
// of the container it is the user, and where the file is the user's it could write to it as soon as nobody executes it.
// So whoever starts such programs runs from a copy that nobody can change, or by way of a file that isn't the user's.
#pragma once

#include <string>

#include "sandbox/base/fd.h"

namespace sandbox {

/// A sealed copy in memory (memfd_create(2), F_ADD_SEALS), to be executed. Empty where none is needed: the file belongs to
/// another user and we can't write to it, or this process is such a copy. Throws SysError.
Fd sealed_program();

/// The same copy in another process of ours, which executes it: `executable` is its /proc/PID/exe, opened. Empty unless
/// it is sealed.
Fd if_sealed(Fd executable);

/// The build ID that the linker has put into this program (ld(1), --build-id): differs between two builds, also at the
/// same path. Throws Error when there is none.
std::string program_identity();

/// Executes the same words out of such a program's reach; returns where that is so already. Without a copy where the
/// dynamic linker is another user's file: it is executed with this program as its argument, and /proc/self/exe is then
/// the linker. For root on a mount of the file alone, which is read-only and attached nowhere. Else in the sealed copy.
/// Throws SysError.
void continue_out_of_reach(char* const* argv);

}  // namespace sandbox
