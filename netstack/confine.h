// Private to this room: what the network helper gives up before it reads its first frame.
#pragma once

namespace sandbox::netstack {

/// Gives up capabilities, new privileges, forks, programs and files; for good. Precondition: one
/// thread, all libraries loaded, all listening sockets bound. Throws Error when a mandatory part
/// fails; Landlock is used where the kernel has it.
///
/// `reserved`: so many descriptors beyond those that connections get, for whoever has a Headroom.
void confine(unsigned reserved = 0);

/// While it lives the reserved descriptors can be had. Precondition: confine() with some.
class Headroom {
 public:
  Headroom() noexcept;
  ~Headroom();
  Headroom(const Headroom&) = delete;
  Headroom& operator=(const Headroom&) = delete;

 private:
  unsigned long usual_ = 0;
};

}  // namespace sandbox::netstack
