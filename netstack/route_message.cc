#include "netstack/route_message.h"

#include <errno.h>
#include <sys/socket.h>

#include <cstring>

#include "sandbox/base/sys.h"

namespace sandbox::netstack {

Fd route_socket() {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) throw SysError(Errno{errno}, "making a netlink socket");
  return socket;
}

RouteMessage::RouteMessage(std::uint16_t type, std::uint16_t flags) {
  header()->nlmsg_type = type;
  header()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  size_ = NLMSG_HDRLEN;
}

RouteMessage& RouteMessage::add(std::uint16_t type, const void* data, std::size_t size) {
  const std::size_t at = open(type);
  append(data, size);
  close(at);
  return *this;
}

std::size_t RouteMessage::open(std::uint16_t type) {
  const std::size_t at = size_;
  const rtattr attribute{.rta_len = 0, .rta_type = type};
  append(&attribute, sizeof attribute);
  return at;
}

void RouteMessage::close(std::size_t at) {
  const auto length = static_cast<std::uint16_t>(size_ - at);
  std::memcpy(buffer_.data() + at + offsetof(rtattr, rta_len), &length, sizeof length);
  size_ = NLMSG_ALIGN(size_);
}

void RouteMessage::append(const void* data, std::size_t size) {
  if (size_ + size > buffer_.size()) throw Error("a request to the network is too large");  // names are bounded: never
  std::memcpy(buffer_.data() + size_, data, size);
  size_ += size;
}

Result<void> RouteMessage::send(int socket) {
  header()->nlmsg_len = static_cast<std::uint32_t>(size_);
  if (auto sent = sys::write(socket, buffer_.data(), size_); !sent) return std::unexpected(sent.error());
  alignas(nlmsghdr) std::array<char, 4096> answer{};
  const auto size = sys::read(socket, answer.data(), answer.size());
  if (!size) return std::unexpected(size.error());
  nlmsghdr reply{};
  nlmsgerr verdict{};
  if (*size < NLMSG_HDRLEN + sizeof verdict) return std::unexpected(Errno{EBADMSG});
  std::memcpy(&reply, answer.data(), sizeof reply);
  std::memcpy(&verdict, answer.data() + NLMSG_HDRLEN, sizeof verdict);
  if (reply.nlmsg_type != NLMSG_ERROR) return std::unexpected(Errno{EBADMSG});
  if (verdict.error != 0) return std::unexpected(Errno{-verdict.error});
  return {};
}

std::vector<RouteMessage::Item> RouteMessage::dump(int socket, const std::string& what) {
  header()->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header()->nlmsg_len = static_cast<std::uint32_t>(size_);
  (void)(sys::write(socket, buffer_.data(), size_) | or_throw("{}", what));
  std::vector<Item> items;
  for (;;) {
    std::vector<std::byte> answer(64 * 1024);
    const std::size_t size = sys::read(socket, answer.data(), answer.size()) | or_throw("{}", what);
    for (std::size_t at = 0; at + NLMSG_HDRLEN <= size;) {
      nlmsghdr reply{};
      std::memcpy(&reply, answer.data() + at, sizeof reply);
      if (reply.nlmsg_len < NLMSG_HDRLEN || reply.nlmsg_len > size - at) throw SysError(Errno{EBADMSG}, what);
      if (reply.nlmsg_type == NLMSG_DONE) return items;
      if (reply.nlmsg_type == NLMSG_ERROR) throw SysError(Errno{EIO}, what);
      const auto* begin = answer.data() + at;
      items.push_back({reply.nlmsg_type, {begin + NLMSG_HDRLEN, begin + reply.nlmsg_len}});
      at += NLMSG_ALIGN(reply.nlmsg_len);
    }
  }
}

}  // namespace sandbox::netstack
