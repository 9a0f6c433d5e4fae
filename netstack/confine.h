// Private to this room: what the network helper gives up before it reads its first frame.
#pragma once

namespace sandbox::netstack {

/// Gives up capabilities, new privileges, forks, programs and files; for good. Precondition: one
/// thread, all libraries loaded, all listening sockets bound. Throws Error when a mandatory part
/// fails; Landlock is used where the kernel has it.
void confine();

}  // namespace sandbox::netstack
