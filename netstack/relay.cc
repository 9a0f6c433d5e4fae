// See relay.h.
#include "netstack/relay.h"

#include <errno.h>
#include <sys/socket.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr int kBacklog = 64;
constexpr int kKind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

template <class Address>
sockaddr* generic(Address& address) {
  return reinterpret_cast<sockaddr*>(&address);
}

Fd connect_inwards(std::uint16_t port) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  Fd socket(::socket(AF_INET, kKind, 0));
  if (socket && ::connect(socket.get(), generic(address), sizeof address) < 0 && errno != EINPROGRESS) socket.reset();
  return socket;
}

pollfd wanted(const Fd& socket, bool to_read, bool to_write) {
  const int events = (to_read ? POLLIN : 0) | (to_write ? POLLOUT : 0);
  // Of a socket that nothing is wanted from, poll(2) would still tell a hang-up again and again.
  return {.fd = events == 0 ? -1 : socket.get(), .events = static_cast<short>(events), .revents = 0};
}

}  // namespace

Relay::Relay(const in6_addr& address, std::uint16_t port, std::uint16_t inner_port) : inner_port_(inner_port) {
  sockaddr_in6 place{};
  place.sin6_family = AF_INET6;
  place.sin6_addr = address;
  place.sin6_port = htons(port);
  socklen_t size = sizeof place;
  listener_ = Fd(::socket(AF_INET6, kKind, 0));
  const int on = 1;
  // IPv6 alone, lest "::" take the IPv4 addresses, too; and at once again after the last container's connections.
  if (!listener_ || ::setsockopt(listener_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0 ||
      ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      ::bind(listener_.get(), generic(place), size) < 0 || ::listen(listener_.get(), kBacklog) < 0 ||
      ::getsockname(listener_.get(), generic(place), &size) < 0) {
    throw SysError(Errno{errno}, "listening");
  }
  port_ = ntohs(place.sin6_port);
}

bool Relay::Flow::move(int from, int to) noexcept {
  if (wants_source()) {
    const auto count = sys::read(from, data.data(), data.size());
    if (!count && count.error().value != EAGAIN) return false;
    begin = 0;
    end = count.value_or(0);
    ended = count && *count == 0;
  }
  if (wants_target()) {
    const auto count = sys::write(to, data.data() + begin, end - begin);
    if (!count && count.error().value != EAGAIN) return false;
    begin += count.value_or(0);
  }
  if (ended && !wants_target() && !finished) {
    finished = true;
    return ::shutdown(to, SHUT_WR) == 0;
  }
  return true;
}

void Relay::add_polls(std::vector<pollfd>& polls) {
  first_poll_ = polls.size();
  polls.push_back(wanted(listener_, connections_.size() < kMostConnections, false));
  for (const auto& connection : connections_) {
    const auto& [outer, inner, inwards, outwards] = *connection;
    polls.push_back(wanted(outer, inwards.wants_source(), outwards.wants_target()));
    polls.push_back(wanted(inner, outwards.wants_source(), inwards.wants_target()));
  }
}

void Relay::serve(std::span<const pollfd> polls) noexcept {
  std::size_t next = first_poll_;
  const bool comes = polls[next++].revents != 0;
  std::erase_if(connections_, [&](const auto& connection) {
    auto& [outer, inner, inwards, outwards] = *connection;
    const int happened = polls[next].revents | polls[next + 1].revents;
    next += 2;
    if (happened == 0) return false;
    if ((happened & (POLLERR | POLLNVAL)) != 0) return true;
    if (!inwards.move(outer.get(), inner.get()) || !outwards.move(inner.get(), outer.get())) return true;
    return inwards.finished && outwards.finished;
  });
  if (comes) accept_one();
}

void Relay::accept_one() noexcept {
  Fd outer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!outer) return;  // gone again, or too many files are open
  Fd inner = connect_inwards(inner_port_);
  if (!inner) return;
  try {
    connections_.push_back(std::make_unique<Connection>(std::move(outer), std::move(inner)));
  } catch (const std::bad_alloc&) {
    // The client sees its connection closed.
  }
}

}  // namespace sandbox::netstack
