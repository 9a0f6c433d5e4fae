// The helper from the side of the container's supervisor.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/ownership/ownership.h"

namespace sandbox::ownership {
namespace {

constexpr const char* kMode = "owner";

Json to_json(const Config& config) {
  return {{"uid", config.uid},
          {"gid", config.gid},
          {"upper", config.upper},
          {"file", config.file},
          {"recorded", config.recorded}};
}

/// One filter of a process can have a listener (seccomp(2), EBUSY). Inside of a container whose owners are recorded that
/// is taken.
bool is_listener_free() {
  if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_DISABLED) return true;
  const auto child = sys::clone3(0);
  if (!child) return false;
  if (child->pid == 0) {
    sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program{1, &allow};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    ::_exit(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) < 0 ? 1 : 0);
  }
  return sys::wait_pidfd(child->pidfd.get()).value_or(1) == 0;
}

}  // namespace

bool is_supported() {
  const std::uint32_t action = SECCOMP_RET_USER_NOTIF;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 && is_listener_free();
}

Helper::Helper(const Config& config) {
  const Fd document = helper_document(to_json(config).dump());
  sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("connecting the owner helper");
  pid_ = start_helper(kMode, {document.get(), channel.second.get()});
  channel_ = std::move(channel.first);
}

void Helper::connect(const Fd& user_namespace, const Fd& root) {
  const std::byte word{};
  const int fds[] = {user_namespace.get(), root.get()};
  // One that has failed by now has left its reason in the channel.
  static_cast<void>(sys::send_message(channel_.get(), {&word, 1}, fds));
}

void Helper::await_ready() {
  auto message = sys::receive_message(channel_.get(), 4096);
  // unix(7): it has ended with our word unread; what it said before comes after this error.
  if (!message && message.error().value == ECONNRESET) message = sys::receive_message(channel_.get(), 4096);
  const auto answer = std::move(message) | or_throw("reading the answer of the owner helper");
  const std::string words(reinterpret_cast<const char*>(answer.data.data()), answer.data.size());
  if (words != "R") throw_helper_failure(kMode, words, pid_);
}

void Helper::serve(Fd listener, const std::vector<std::uint32_t>& ids) {
  const int fds[] = {listener.get()};
  sys::send_message(channel_.get(), std::as_bytes(std::span(ids)), fds) |
      or_throw("handing a listener to the owner helper");
}

}  // namespace sandbox::ownership
