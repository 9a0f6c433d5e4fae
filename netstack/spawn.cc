// The network helper from the side of the container's supervisor. The helper is a child of the caller: after the channel
// has closed it ends by itself, and the caller, who waits for any child (a subreaper), reaps it.
// Every copy of the channel's end keeps the helper alive, also one in a forked child before it executes a program.
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::netstack {
namespace {

constexpr const char* kMode = "netstack";
constexpr int kEndTime = 2000;  // milliseconds; at the end a helper has nothing to do but to close its descriptors

std::string read_answer(int channel, std::size_t limit) {
  auto message = sys::receive_message(channel, limit);
  // unix(7): a helper that ended with our word unread; what it said before comes after this error.
  if (!message && message.error().value == ECONNRESET) message = sys::receive_message(channel, limit);
  if (!message) throw SysError(message.error(), "reading the answer of the network helper");
  std::string answer(message->data.size(), '\0');
  std::ranges::transform(message->data, answer.begin(), [](std::byte byte) { return static_cast<char>(byte); });
  return answer;
}

/// An answer is "R" and the ports' numbers, a space before each, or an error's message and, after a newline, its hint.
std::vector<std::uint16_t> ports_from(const std::string& answer, std::size_t count) {
  std::vector<std::uint16_t> ports;
  std::istringstream words(answer.substr(1));
  for (unsigned port = 0; words >> port;) ports.push_back(static_cast<std::uint16_t>(port));
  if (ports.size() != count) throw Error("the network helper's answer lacks ports");
  return ports;
}

}  // namespace

Helper::Helper(const Config& config) : forwards_(config.forwards.size()) {
  const Fd document = helper_document(to_json(config).dump());
  sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("connecting the network helper");
  pid_ = start_helper(kMode, {document.get(), channel.second.get()});
  channel_ = std::move(channel.first);
  pidfd_ = sys::pidfd_open(pid_) | or_throw("watching the network helper");
}

void Helper::free_ports() {
  if (::shutdown(channel_.get(), SHUT_WR) < 0 || forwards_ == 0) return;
  pollfd closed{.fd = channel_.get(), .events = POLLIN, .revents = 0};
  static_cast<void>(::poll(&closed, 1, kEndTime));
}

Helper::~Helper() {
  channel_.reset();
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ended, 1, kEndTime) > 0) return;
  static_cast<void>(sys::pidfd_send_signal(pidfd_.get(), SIGKILL));
  static_cast<void>(::poll(&ended, 1, kEndTime));
}

std::vector<std::uint16_t> Helper::connect(Fd nic) {
  const std::byte word{};
  const int fd = nic.get();
  // A helper that has failed by now has left its reason in the channel before it closed it.
  static_cast<void>(sys::send_message(channel_.get(), {&word, 1}, {&fd, 1}));
  nic.reset();
  const std::string answer = read_answer(channel_.get(), 4096 + forwards_ * std::size(" 65535"));
  if (!answer.starts_with('R')) throw_helper_failure(kMode, answer, pid_);
  return ports_from(answer, forwards_);
}

}  // namespace sandbox::netstack
