#include "sandbox/base/sealed_program.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // linux/memfd.h since 6.3
#endif

namespace sandbox {
namespace {

constexpr int all_seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

/// Whether a process of this user's could change the file, or could give itself the permission to.
bool is_exposed(const Fd& program, const struct stat& status) {
  if (::fcntl(program.get(), F_GET_SEALS) >= 0) return false;
  return status.st_uid == ::geteuid() || ::access("/proc/self/exe", W_OK) == 0;
}

Fd executable_memory() {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Fd memory(::memfd_create("sandbox", flags | MFD_EXEC));
  if (!memory && errno == EINVAL) memory = Fd(::memfd_create("sandbox", flags));  // COMPAT(linux<6.3): always executable
  if (!memory) {
    throw SysError(Errno{errno}, "making a sealed copy of the program",
                   "set vm.memfd_noexec to 0 or 1, or install the program as root's");
  }
  return memory;
}

}  // namespace

Fd sealed_program() {
  const Fd program = sys::openat(AT_FDCWD, "/proc/self/exe", O_RDONLY) | or_throw("opening '/proc/self/exe'");
  const struct stat status = sys::fstat(program.get()) | or_throw("reading '/proc/self/exe'");
  if (!is_exposed(program, status)) return {};
  Fd copy = executable_memory();
  for (off_t done = 0; done < status.st_size;) {
    const ssize_t count = ::sendfile(copy.get(), program.get(), &done, static_cast<std::size_t>(status.st_size - done));
    if (count < 0) throw SysError(Errno{errno}, "copying the program");
    if (count == 0) throw Error("the program's file has become shorter while it was copied");
  }
  if (::fcntl(copy.get(), F_ADD_SEALS, all_seals) < 0) {
    throw SysError(Errno{errno}, "sealing the copy of the program");
  }
  return copy;
}

Fd if_sealed(Fd executable) {
  if (::fcntl(executable.get(), F_GET_SEALS) != all_seals) executable.reset();  // -1: not in memory
  return executable;
}

std::string program_identity() {
  const struct stat status = sys::fstatat(AT_FDCWD, "/proc/self/exe", 0) | or_throw("reading '/proc/self/exe'");
  return fmt::format("{}:{}:{}:{}.{:09}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

void continue_sealed(char* const* argv) {
  const Fd copy = sealed_program();
  if (!copy) return;
  ::execve(fmt::format("/proc/self/fd/{}", copy.get()).c_str(), argv, environ);
  throw SysError(Errno{errno}, "executing the sealed copy of the program");
}

}  // namespace sandbox
