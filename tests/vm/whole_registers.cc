// Loaded into linux.uml before the C library (ld.so(8), LD_PRELOAD). User Mode Linux 6.1 keeps its processes' extended
// registers in a buffer of the size that AVX-512 needs, and the host's kernel takes them back only whole: on processors
// with more, such as AMX, no process starts there ("ptrace set fp regs failed", xstateregs_set() in the host's
// arch/x86/kernel/fpu/regset.c). What the buffer lacks stays as it is in the process.
#include <dlfcn.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <array>
#include <cstdarg>
#include <cstdint>
#include <cstring>

namespace {

using Ptrace = long (*)(__ptrace_request, pid_t, void*, void*);

constexpr std::size_t largest_state = 64 * 1024;
alignas(64) std::array<std::byte, largest_state> state;  // linux.uml has one thread

/// As `given` asks, within all that the process has; false when that is no more.
bool complete(Ptrace library_ptrace, pid_t pid, void* kind, const iovec& given, iovec& whole) {
  whole = {state.data(), state.size()};
  if (library_ptrace(PTRACE_GETREGSET, pid, kind, &whole) != 0 || whole.iov_len <= given.iov_len) return false;
  std::memcpy(state.data(), given.iov_base, given.iov_len);
  return true;
}

}  // namespace

extern "C" long ptrace(__ptrace_request request, ...) noexcept {
  static const auto library_ptrace = reinterpret_cast<Ptrace>(::dlsym(RTLD_NEXT, "ptrace"));
  va_list words;
  va_start(words, request);
  const pid_t pid = va_arg(words, pid_t);
  void* const address = va_arg(words, void*);
  void* data = va_arg(words, void*);
  va_end(words);
  iovec whole{};
  const bool sets_state = request == PTRACE_SETREGSET && reinterpret_cast<std::uintptr_t>(address) == NT_X86_XSTATE;
  if (sets_state && complete(library_ptrace, pid, address, *static_cast<iovec*>(data), whole)) data = &whole;
  return library_ptrace(request, pid, address, data);
}
