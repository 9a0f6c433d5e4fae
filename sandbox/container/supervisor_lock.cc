#include "sandbox/container/supervisor_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {
namespace {

std::string lock_path(const Container& container) { return container.directory + "/supervisor.lock"; }

struct flock whole_file() {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return whole;
}

/// The supervisor's pid, or 0. Its lock knows it, also before it has written its name into state.json.
int supervisor_of(const Container& container) {
  const std::string path = lock_path(container);
  const auto fd = sys::openat(AT_FDCWD, path.c_str(), O_RDWR);
  if (!fd && fd.error().value == ENOENT) return 0;
  if (!fd) throw SysError(fd.error(), fmt::format("opening '{}'", path));
  struct flock holder = whole_file();
  if (::fcntl(fd->get(), F_GETLK, &holder) < 0) {
    throw SysError(Errno{errno}, fmt::format("asking for the lock of '{}'", path));
  }
  return holder.l_type == F_UNLCK ? 0 : holder.l_pid;
}

}  // namespace

bool supervisor_hangs(const Container& container) { return is_process_stopped(supervisor_of(container)); }

void kill_supervisor(const Container& container) {
  const int supervisor = supervisor_of(container);
  kill_process(supervisor, process_start_time(supervisor));
}

SupervisorLock::SupervisorLock(const Container& container, std::chrono::milliseconds patience) {
  const std::string path = lock_path(container);
  fd_ = sys::openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT, 0600) | or_throw("opening '{}'", path);
  struct flock whole = whole_file();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::fcntl(fd_.get(), F_SETLK, &whole) < 0) {
    if (errno != EAGAIN && errno != EACCES) throw SysError(Errno{errno}, fmt::format("locking '{}'", path));
    if (std::chrono::steady_clock::now() >= deadline) {
      throw Conflict(fmt::format("container {} is already running", container.spec.name));
    }
    const timespec pause{0, 2'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace sandbox::container
