#include "userns/filter_load.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "sandbox/base/sys.h"
#include "userns/channel.h"

namespace sandbox::userns {
namespace {

/// What the two threads tell each other by memory alone: the filter may forbid any system call, or let it wait for the
/// very listener that is to be sent.
struct Handover {
  explicit Handover(int to) : channel(to) {}

  const int channel;
  std::atomic<int> listener = -1;
  std::atomic<bool> given = false;
};

/// The other thread, which a filter loaded without SECCOMP_FILTER_FLAG_TSYNC does not bind. execve(2) ends it.
void* give_away(void* argument) noexcept {
  Handover& handover = *static_cast<Handover*>(argument);
  constexpr timespec moment{0, 20'000};
  while (handover.listener.load() < 0) (void)::nanosleep(&moment, nullptr);
  const int fds[] = {handover.listener.load()};
  const auto byte = static_cast<std::byte>(Word::listener);
  if (!sys::send_message(handover.channel, {&byte, 1}, fds)) ::_exit(125);  // nobody is there to decide about the calls
  handover.given.store(true);
  return nullptr;
}

/// Returns 0 or an error number, as pthread_create(3) does.
int start_giving(Handover& handover) noexcept {
  pthread_attr_t attributes;
  pthread_t thread{};
  if (const int error = ::pthread_attr_init(&attributes); error != 0) return error;
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  ::pthread_attr_setstacksize(&attributes, 64 * 1024);  // not RLIMIT_STACK of the container's
  return ::pthread_create(&thread, &attributes, give_away, &handover);
}

int load(const std::vector<std::byte>& filter, std::uint32_t flags) noexcept {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(filter.size() / sizeof(sock_filter));
  program.filter = const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(filter.data()));
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

int load_with_listener(const ProcessPlan& process, int channel) noexcept {
  Handover handover(channel);
  if (const int error = start_giving(handover); error != 0) return error;
  const int listener = load(process.seccomp, process.seccomp_flags);
  if (listener < 0) return errno;
  handover.listener.store(listener);
  while (!handover.given.load()) {
  }
  return 0;
}

/// What is done from here to execve(2) asks nobody, so the listener goes the plain way.
int load_notifying(const ProcessPlan& process, int channel) noexcept {
  constexpr unsigned kAlone = SECCOMP_FILTER_FLAG_NEW_LISTENER;
  // A signal that comes while the answer is being made would have the call made again (Linux 5.19).
  int listener = load(process.notifying, kAlone | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  if (listener < 0 && errno == EINVAL) listener = load(process.notifying, kAlone);  // COMPAT(linux<5.19)
  if (listener < 0) return errno;
  const auto byte = static_cast<std::byte>(Word::listener);
  const auto sent = sys::send_message(channel, {&byte, 1}, {&listener, 1});
  ::close(listener);
  return sent ? 0 : sent.error().value;
}

}  // namespace

bool has_filter(const ProcessPlan& process) noexcept { return !process.seccomp.empty() || !process.notifying.empty(); }

int load_filters(const ProcessPlan& process, int channel) noexcept {
  if (!process.notifying.empty()) {
    if (const int error = load_notifying(process, channel); error != 0) return error;
  }
  if (process.seccomp.empty()) return 0;
  if ((process.seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) return load_with_listener(process, channel);
  return load(process.seccomp, process.seccomp_flags) < 0 ? errno : 0;
}

}  // namespace sandbox::userns
