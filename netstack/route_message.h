// Private to this room: requests to the kernel's network configuration (rtnetlink(7)).
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

namespace sandbox::netstack {

/// A socket for requests in the current network namespace.
Fd route_socket();

/// One message in a buffer of fixed size. Attributes nest by open() and close().
class RouteMessage {
 public:
  /// `header`: ifinfomsg, ifaddrmsg …
  template <class Header>
  RouteMessage(std::uint16_t type, std::uint16_t flags, const Header& header) : RouteMessage(type, flags) {
    append(&header, sizeof header);
  }
  RouteMessage& add(std::uint16_t type, const void* data, std::size_t size);
  RouteMessage& add(std::uint16_t type, std::uint32_t number) { return add(type, &number, sizeof number); }
  RouteMessage& add(std::uint16_t type, const std::string& text) { return add(type, text.c_str(), text.size() + 1); }
  std::size_t open(std::uint16_t type);
  void close(std::size_t at);
  void append(const void* data, std::size_t size);
  /// Sends it and returns the kernel's answer.
  Result<void> send(int socket);

  /// What the kernel says about one object.
  struct Item {
    std::uint16_t type;           ///< RTM_*
    std::vector<std::byte> body;  ///< The header with the attributes behind it.
  };
  /// Sends it as a question about all objects of a kind. Throws SysError, naming `what`.
  std::vector<Item> dump(int socket, const std::string& what);

 private:
  RouteMessage(std::uint16_t type, std::uint16_t flags);
  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  alignas(nlmsghdr) std::array<char, 512> buffer_{};
  std::size_t size_ = 0;
};

}  // namespace sandbox::netstack
