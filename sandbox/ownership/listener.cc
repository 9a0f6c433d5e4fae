// See listener.h.
#include "sandbox/ownership/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "sandbox/base/error.h"

namespace sandbox::ownership {
namespace {

// Newer than the headers of some distributions (linux/seccomp.h of Linux 6.6).
constexpr unsigned long kSetFlags = SECCOMP_IOW(4, std::uint64_t);
constexpr unsigned long kSyncWakeUp = 1;
constexpr std::uint32_t kSend = 1U << 1;  // SECCOMP_ADDFD_FLAG_SEND of Linux 5.14

}  // namespace

Listener::Listener(Fd fd) : fd_(std::move(fd)) {
  seccomp_notif_sizes sizes{};
  if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0) {
    throw SysError(Errno{errno}, "asking for the size of seccomp notifications");
  }
  received_.resize(std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)));
  sent_.resize(std::max<std::size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp)));
  // Who asks and who answers take turns: one processor serves both best.
  (void)::ioctl(fd_.get(), kSetFlags, kSyncWakeUp);
  gives_descriptors_ = give(0, -1, false) == EBADF;  // an older kernel does not know the flag: EINVAL
}

int Listener::give(std::uint64_t id, int fd, bool closed_by_exec) const {
  seccomp_notif_addfd added{};
  added.id = id;
  added.flags = kSend;
  added.srcfd = static_cast<std::uint32_t>(fd);
  if (closed_by_exec) added.newfd_flags = O_CLOEXEC;
  return ::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &added) < 0 ? errno : 0;
}

std::optional<seccomp_notif> Listener::receive() {
  std::ranges::fill(received_, std::byte{});  // the kernel insists on it
  if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_RECV, received_.data()) < 0) return {};
  seccomp_notif asked;
  std::memcpy(&asked, received_.data(), sizeof asked);
  return asked;
}

bool Listener::is_waiting(std::uint64_t id) const { return ::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0; }

void Listener::answer(std::uint64_t id, const Answer& answer) {
  int error = answer.error;
  if (answer.descriptor) {
    error = give(id, answer.descriptor.get(), answer.closed_by_exec);
    if (error == 0) return;
  }
  seccomp_notif_resp response{};
  response.id = id;
  response.val = error == 0 ? answer.value : 0;
  response.error = -error;
  if (answer.by_kernel) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  std::ranges::fill(sent_, std::byte{});
  std::memcpy(sent_.data(), &response, sizeof response);
  (void)::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SEND, sent_.data());
}

}  // namespace sandbox::ownership
