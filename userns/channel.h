// Messages between the supervisor and the process that it is setting up, on a SOCK_SEQPACKET pair.
// End-of-file after `start` means that execve succeeded.
#pragma once

namespace sandbox::userns {

enum class Word : char {
  maps_written = 'm',  ///< parent → child
  start = 's',         ///< parent → child: the gate is open
  nic = 'n',           ///< child → parent, with a descriptor
  root = 'o',          ///< child → parent, with the FUSE device of the root and the user namespace
  console = 'c',       ///< child → parent, with a descriptor
  process = 'p',       ///< child → parent, with a pidfd and the pid as int (join only)
  ready = 'r',         ///< child → parent: everything but execve is done
  failed = 'e',        ///< child → parent: exit code byte, then the message and, behind a NUL, its hint
};

}  // namespace sandbox::userns
