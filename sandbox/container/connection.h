// One client of a supervisor: frames in, bounded frames out. Never blocks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/container/protocol.h"

namespace sandbox::container {

class Connection {
 public:
  explicit Connection(Fd socket);

  int fd() const { return socket_.get(); }
  /// False once the peer is gone or has been given up; the owner then drops the object.
  bool open() const { return open_; }
  void give_up() { open_ = false; }

  void queue(FrameType type, std::string_view payload = {});
  std::size_t queued() const { return out_.size() - sent_; }
  void flush();    ///< Sends what the socket takes.
  void receive();  ///< Reads what is there, for next().
  /// Those that have come with frames since they were taken.
  std::vector<Fd> take_descriptors() { return std::exchange(descriptors_, {}); }
  /// The next frame. Gives the connection up when the peer breaks the protocol.
  std::optional<Frame> next();

  bool subscribed = false;  ///< Gets the container's output.
  bool foreground = false;  ///< The container waits for it rather than losing output.

 private:
  Fd socket_;
  FrameReader reader_;
  std::vector<Fd> descriptors_;  ///< At most `most_passed`.
  std::string out_;
  std::size_t sent_ = 0;
  bool open_ = true;
};

/// True when the peer of a Unix socket runs as our user (SO_PEERCRED).
bool is_own_peer(int socket);

}  // namespace sandbox::container
