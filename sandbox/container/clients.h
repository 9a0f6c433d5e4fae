// The clients of one supervisor, and the control socket that they come through. The first one asked for the container:
// its slowness holds the container up rather than losing output. The others come and go, and are given up when they
// don't keep pace.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/container/connection.h"
#include "sandbox/container/log_file.h"

namespace sandbox::container {

class Clients {
 public:
  static constexpr std::size_t bound = 1U << 20;  ///< Bytes that one client lets wait, in either direction.

  explicit Clients(std::shared_ptr<Connection> first);

  /// Makes the socket `path`, of mode 0600. Throws SysError.
  void listen(const std::string& path);
  int listener() const { return listener_.get(); }
  /// Takes who has connected since; strangers are turned away.
  void accept();
  /// Who connected while we were ending is taken, too; who comes now finds no socket.
  void stop_listening();

  const std::shared_ptr<Connection>& first() const { return first_; }
  const std::vector<std::shared_ptr<Connection>>& all() const { return all_; }
  void show_output(Stream stream, std::string_view data);  ///< To those who have subscribed.
  void tell_all(FrameType type, std::string_view payload);
  void drop_closed();
  void drop_all();
  /// Returns when all is sent or a moment has passed; the first client alone, which may be a pager, is waited for.
  void flush();

 private:
  std::shared_ptr<Connection> first_;
  std::vector<std::shared_ptr<Connection>> all_;
  std::string path_;
  Fd listener_;
};

/// The frame that carries what a process wrote to `stream`.
FrameType output_frame(Stream stream);

}  // namespace sandbox::container
