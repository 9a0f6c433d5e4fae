// This program's file, out of reach of what its children execute.
//
// A program of a container can come to run as /proc/self/exe of its own starting (a link that is exchanged at the last
// moment, an interpreter that the host's binfmt_misc names), and so get a descriptor of our file (CVE-2019-5736). As root
// of the container it is the user, and where the file is the user's it could write to it as soon as nobody executes it.
// So whoever starts such programs runs from a copy that nobody can change.
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

/// Of this program's file: differs between two builds, also at the same path. Of no use in a sealed copy, which has one
/// of its own. Throws SysError.
std::string program_identity();

/// Executes the same words in the sealed copy; returns where none is needed. Throws SysError.
void continue_sealed(char* const* argv);

}  // namespace sandbox
