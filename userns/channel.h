// Messages between the supervisor and the process that it is setting up, on a SOCK_SEQPACKET pair.
// End-of-file after `start` means that execve succeeded. A process that has been detached takes the word from whoever
// connects to its gate, a listening socket of the same type; that connection is its channel from then on.
#pragma once

namespace sandbox::userns {

enum class Word : char {
  prepared = 'm',      ///< parent → child: the id maps and the like are written; to a process between: it is in the cgroup
  start = 's',         ///< parent → child, or through the gate: execute
  detach = 'd',        ///< parent → child: go on without me; the word to start comes through the gate
  nic = 'n',           ///< child → parent, with a descriptor
  root = 'o',          ///< child → parent, with the FUSE device of the root and the user namespace
  mounted = 'M',       ///< child → parent: all is mounted; it waits for `prepared` before it enters the root
  cgroup = 'g',        ///< child → parent: before and after it makes its cgroup namespace; it waits for `prepared`
  console = 'c',       ///< child → parent, with a descriptor
  process = 'p',       ///< child → parent, with a pidfd and the pid as int (join only)
  namespaces = 'w',    ///< through the gate: asks for the descriptors of the waiting process's namespaces, which come
  places = 'P',        ///< child → parent, with its user namespace and its root, where there is a notifying filter
  listener = 'l',      ///< child → whoever said `start`, with the listener of the seccomp filter that it has loaded
  ready = 'r',         ///< child → parent: everything but execve is done
  failed = 'e',        ///< child → parent: exit code byte, then the message and, behind a NUL, its hint
};

}  // namespace sandbox::userns
