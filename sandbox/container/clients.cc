// A supervisor's clients, see clients.h.
#include "sandbox/container/clients.h"

#include <errno.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {
namespace {

constexpr auto flush_time = std::chrono::seconds(2);

Fd listen_on(const std::string& path) {
  (void)sys::unlinkat(AT_FDCWD, path.c_str(), 0);  // of a supervisor that was killed; ours holds the lock
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw SysError(Errno{errno}, "making the control socket");
  const mode_t mask = ::umask(0177);
  const int bound = ::bind(socket.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address);
  const int error = errno;
  ::umask(mask);
  if (bound < 0) throw SysError(Errno{error}, fmt::format("binding '{}'", path));
  if (::listen(socket.get(), 16) < 0) throw SysError(Errno{errno}, fmt::format("listening on '{}'", path));
  return socket;
}

}  // namespace

FrameType output_frame(Stream stream) {
  return stream == Stream::out ? FrameType::stdout_data : FrameType::stderr_data;
}

Clients::Clients(std::shared_ptr<Connection> first) : first_(std::move(first)), all_{first_} {
  first_->subscribed = first_->foreground = true;
}

void Clients::listen(const std::string& path) {
  listener_ = listen_on(path);
  path_ = path;
}

void Clients::accept() {
  for (;;) {
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    if (is_own_peer(socket.get())) all_.push_back(std::make_shared<Connection>(std::move(socket)));
  }
}

void Clients::stop_listening() {
  if (!listener_) return;
  (void)sys::unlinkat(AT_FDCWD, path_.c_str(), 0);
  accept();
  listener_.reset();
}

void Clients::show_output(Stream stream, std::string_view data) {
  for (const auto& client : all_) {
    if (!client->subscribed || !client->open()) continue;
    if (!client->foreground && client->queued() > bound) {
      client->give_up();
    } else {
      client->queue(output_frame(stream), data);
    }
  }
}

void Clients::tell_all(FrameType type, std::string_view payload) {
  for (const auto& client : all_) client->queue(type, payload);
}

void Clients::drop_closed() {
  std::erase_if(all_, [](const auto& client) { return !client->open(); });
}

void Clients::drop_all() {
  for (const auto& client : all_) client->give_up();
  first_->give_up();
  all_.clear();
}

void Clients::flush() {
  const auto deadline = std::chrono::steady_clock::now() + flush_time;
  for (;;) {
    const bool late = std::chrono::steady_clock::now() >= deadline;
    std::erase_if(all_, [&](const auto& client) {
      return !client->open() || client->queued() == 0 || (late && !client->foreground);
    });
    if (all_.empty()) return;
    std::vector<pollfd> items;
    for (const auto& client : all_) items.push_back({client->fd(), POLLOUT, 0});
    (void)::poll(items.data(), items.size(), 100);
    for (const auto& client : all_) client->flush();
  }
}

}  // namespace sandbox::container
