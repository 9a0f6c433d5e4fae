// Private to this room: a published port on an IPv6 address of the host. The network behind libslirp is IPv4, so each
// connection is passed on to a forward of libslirp's own on 127.0.0.1, whose client is then this process.
// Runs in the network helper, in its one poll loop; bounded in connections and buffers, and never waits.
#pragma once

#include <netinet/in.h>
#include <poll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "sandbox/base/fd.h"

namespace sandbox::netstack {

class Relay {
 public:
  static constexpr std::size_t kMostConnections = 512;

  /// Listens at once; `port` 0: the kernel chooses. Throws SysError with the reason alone.
  Relay(const in6_addr& address, std::uint16_t port, std::uint16_t inner_port);

  std::uint16_t port() const { return port_; }
  /// Appends what it waits for to `polls`.
  void add_polls(std::vector<pollfd>& polls);
  /// `polls`: the same entries after poll(2).
  void serve(std::span<const pollfd> polls) noexcept;

 private:
  /// Bytes on their way from one socket to the other.
  struct Flow {
    std::array<char, 32768> data;
    std::size_t begin = 0, end = 0;
    bool ended = false;     ///< The source has no more.
    bool finished = false;  ///< And its target knows.
    bool wants_source() const { return begin == end && !ended; }
    bool wants_target() const { return begin < end; }
    /// False when a socket has failed.
    bool move(int from, int to) noexcept;
  };
  struct Connection {
    Fd outer, inner;
    Flow inwards, outwards;
  };

  void accept_one() noexcept;

  Fd listener_;
  std::uint16_t port_ = 0, inner_port_;
  std::size_t first_poll_ = 0;  ///< Of the listener; two for each connection follow.
  std::list<std::unique_ptr<Connection>> connections_;
};

}  // namespace sandbox::netstack
