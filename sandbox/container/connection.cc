// A supervisor's client connection, see connection.h.
#include "sandbox/container/connection.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {

Connection::Connection(Fd socket) : socket_(std::move(socket)) {
  sys::set_nonblocking(socket_.get(), true) | or_throw("preparing a client's connection");
}

void Connection::queue(FrameType type, std::string_view payload) {
  if (!open_) return;
  out_ += encode_frame(type, payload);
  flush();
}

void Connection::flush() {
  while (open_ && sent_ < out_.size()) {
    const ssize_t count = ::send(fd(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      open_ = false;
    }
  }
  if (sent_ == out_.size() || sent_ > max_payload) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
}

void Connection::receive() {
  auto message = sys::receive_message(fd(), 65536);
  if (!message) {
    if (message.error().value != EAGAIN) open_ = false;
    return;
  }
  reader_.feed({reinterpret_cast<const char*>(message->data.data()), message->data.size()});
  std::ranges::move(message->fds, std::back_inserter(descriptors_));
  if (message->data.empty() || descriptors_.size() > most_passed) open_ = false;
}

std::optional<Frame> Connection::next() {
  try {
    return reader_.next();
  } catch (const InvalidInput&) {
    open_ = false;
    return std::nullopt;
  }
}

bool is_own_peer(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace sandbox::container
