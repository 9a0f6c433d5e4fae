// A network's helper from the side of a supervisor. Who finds no helper at the network's socket listens there, starts
// one with that, and is its first member; the lock keeps others from doing the same. A helper that is about to end has
// ceased to listen, and hangs up on whoever has come too late.
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <optional>
#include <sstream>

#include "netstack/network.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr const char* kMode = "network";
constexpr int kEndTime = 2000;     // milliseconds that a helper may need to free what a member had
constexpr int kPatience = 30'000;  // milliseconds that a helper may need to answer, on a machine that is busy
constexpr int kTries = 20;         // helpers that end just when we come
constexpr int kBacklog = 128;
constexpr const char* kLock = "/.lock";

std::string socket_name(const std::string& id) { return id + ".sock"; }

/// Of a file in a directory, whose own path may be longer than an address holds (unix(7)).
sockaddr_un socket_address(const Fd& directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/{}", directory.get(), name);
  if (path.size() >= sizeof address.sun_path) throw InvalidInput(fmt::format("'{}' is too long a name", name));
  path.copy(address.sun_path, path.size());
  return address;
}

Fd make_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) throw SysError(Errno{errno}, "making a socket for a network's helper");
  return socket;
}

Fd open_directory(const std::string& path) {
  return sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", path);
}

/// None: nobody listens there.
std::optional<Fd> connect_to(const Fd& directory, const std::string& name) {
  Fd socket = make_socket();
  const sockaddr_un address = socket_address(directory, name);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  if (errno == ECONNREFUSED || errno == ENOENT) return {};
  throw SysError(Errno{errno}, fmt::format("connecting to the helper of network '{}'", name));
}

Fd listen_at(const Fd& directory, const std::string& name) {
  (void)sys::unlinkat(directory.get(), name.c_str(), 0);  // of a helper that has ended
  Fd socket = make_socket();
  const sockaddr_un address = socket_address(directory, name);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(socket.get(), kBacklog) < 0) {
    throw SysError(Errno{errno}, fmt::format("listening for the helper of network '{}'", name));
  }
  return socket;
}

Fd start_network(const Fd& directory, const Network& network) {
  const Fd listener = listen_at(directory, socket_name(network.id));
  const Fd document = helper_document(to_json(network).dump());
  sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("connecting a network's helper");
  // Without the standard error of whoever came first, which others wait for the end of.
  (void)start_helper(kMode, {document.get(), listener.get(), channel.second.get()}, false);
  return std::move(channel.first);
}

/// A channel to the helper, which may be started for it.
Fd reach(const std::string& path, const Network& network) {
  const FileLock lock(path + kLock);
  const Fd directory = open_directory(path);
  if (auto channel = connect_to(directory, socket_name(network.id))) return std::move(*channel);
  return start_network(directory, network);
}

/// The socket of a helper that has ended with us.
void remove_stale(const std::string& path, const std::string& id) {
  const auto lock = FileLock::if_free(path + kLock);
  if (!lock) return;  // somebody is about to listen there
  const Fd directory = open_directory(path);
  if (!connect_to(directory, socket_name(id))) (void)sys::unlinkat(directory.get(), socket_name(id).c_str(), 0);
}

/// Empty: the helper has hung up.
std::string receive(const Fd& channel, std::size_t limit) {
  pollfd word{.fd = channel.get(), .events = POLLIN, .revents = 0};
  if (::poll(&word, 1, kPatience) == 0) throw Error("the network's helper does not answer");
  auto message = sys::receive_message(channel.get(), limit);
  // unix(7): a helper that ended with our word unread; what it said before comes after this error.
  if (!message && message.error().value == ECONNRESET) message = sys::receive_message(channel.get(), limit);
  if (!message) throw SysError(message.error(), "reading the answer of a network's helper");
  const auto* text = reinterpret_cast<const char*>(message->data.data());
  return {text, text + message->data.size()};
}

/// An answer is "R" and what was asked for, or an error's message and, after a newline, its hint.
std::istringstream answer_words(const std::string& answer) {
  if (answer.starts_with('R')) return std::istringstream(answer.substr(1));
  if (answer.empty()) throw Error("the network's helper has ended");
  const auto end = answer.find('\n');
  throw Error(answer.substr(0, end), end == std::string::npos ? std::string() : answer.substr(end + 1));
}

}  // namespace

Presence::Presence(const std::string& directory, const Network& network) {
  make_directories(directory);
  channel_ = reach(directory, network);
}

Membership::Membership(const std::string& directory, const Network& network, const Joining& joining)
    : directory_(directory), id_(network.id), forwards_(joining.forwards.size()) {
  make_directories(directory);
  constexpr std::size_t kLimit = 4096;
  std::string answer;
  for (int i = 0; i < kTries && answer.empty(); ++i) {
    channel_ = reach(directory, network);
    const Fd document = helper_document(to_json(joining).dump());
    const std::byte word{};
    const int fd = document.get();
    // A helper that has failed by now has left its reason in the channel before it closed it.
    (void)sys::send_message(channel_.get(), {&word, 1}, {&fd, 1});
    answer = receive(channel_, kLimit);
  }
  try {
    answer_words(answer) >> lease_.address >> lease_.hardware_address;
  } catch (const Error&) {
    leave();
    throw;
  }
}

std::vector<std::uint16_t> Membership::connect(Fd nic) {
  const std::byte word{};
  const int fd = nic.get();
  (void)sys::send_message(channel_.get(), {&word, 1}, {&fd, 1});
  nic_ = std::move(nic);
  std::istringstream words = answer_words(receive(channel_, 4096 + forwards_ * std::size(" 65535")));
  std::vector<std::uint16_t> ports;
  for (unsigned port = 0; words >> port;) ports.push_back(static_cast<std::uint16_t>(port));
  if (ports.size() != forwards_) throw Error("the answer of the network's helper lacks ports");
  return ports;
}

void Membership::leave() {
  if (!channel_ || ::shutdown(channel_.get(), SHUT_WR) < 0) return;
  pollfd word{.fd = channel_.get(), .events = POLLIN, .revents = 0};
  try {
    const bool was_last = ::poll(&word, 1, kEndTime) > 0 && !receive(channel_, 16).empty();
    channel_.reset();
    if (was_last) remove_stale(directory_, id_);
  } catch (const SysError&) {
    // The helper has died: it holds nothing of ours any more.
  }
}

}  // namespace sandbox::netstack
