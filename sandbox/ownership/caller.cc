// See caller.h.
#include "sandbox/ownership/caller.h"

#include <elf.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/ownership/path_walk.h"

namespace sandbox::ownership {
namespace {

// The number is kept where children inherit it and execve(2) leaves it alone, in the process itself: as a limit that
// never bites, of the time in microseconds that a real-time process may run without a pause (getrlimit(2),
// RLIMIT_RTTIME). The kernel lets a process of the same ids set it. One that changes it itself changes who it believes
// to be, nothing else.
constexpr std::uint64_t kFirstNumber = std::uint64_t{1} << 62, kLastNumber = kFirstNumber + UINT32_MAX;

bool holds_number(const rlimit64& limit) { return limit.rlim_cur >= kFirstNumber && limit.rlim_cur <= kLastNumber; }

/// A path that leads down from where it starts leads there whatever root this process has.
Result<Fd> open_within(const Fd& start, const std::string& path, bool follow) {
  const std::uint64_t within = path.front() == '/' ? RESOLVE_IN_ROOT : RESOLVE_BENEATH;
  return sys::openat2(start.get(), path.c_str(), O_PATH | (follow ? 0 : O_NOFOLLOW), within | RESOLVE_NO_MAGICLINKS);
}

}  // namespace

Caller::Caller(const Listener& listener, const seccomp_notif& asked, int proc)
    : listener_(listener), id_(asked.id), thread_(static_cast<pid_t>(asked.pid)), proc_(proc) {}

Result<Fd> Caller::open_own(const std::string& name, int flags) const {
  auto file = sys::openat(proc_, fmt::format("{}/{}", thread_, name).c_str(), flags);
  if (!listener_.is_waiting(id_)) return std::unexpected(Errno{ESRCH});
  return file;
}

Result<std::size_t> Caller::read_some(std::uint64_t address, void* data, std::size_t size) const {
  // What goes on in the next page may end before it: each page is a piece of its own (process_vm_readv(2)).
  constexpr std::uint64_t kPage = 4096;
  const std::size_t first = std::min<std::size_t>(size, kPage - address % kPage);
  const iovec here{data, size};
  const iovec there[] = {{reinterpret_cast<void*>(address), first},
                         {reinterpret_cast<void*>(address + first), size - first}};
  const ssize_t count = ::process_vm_readv(thread_, &here, 1, there, 2, 0);
  if (count < 0) return std::unexpected(Errno{EFAULT});
  return static_cast<std::size_t>(count);
}

Result<void> Caller::read(std::uint64_t address, void* data, std::size_t size) const {
  const auto count = read_some(address, data, size);
  if (!count || *count != size) return std::unexpected(Errno{EFAULT});
  return {};
}

Result<void> Caller::write(std::uint64_t address, const void* data, std::size_t size) {
  if (!memory_) {
    auto memory = open_own("mem", O_RDWR);
    if (!memory) return std::unexpected(memory.error());
    memory_ = std::move(*memory);
  }
  if (!sys::pwrite_all(memory_.get(), data, size, static_cast<off_t>(address))) return std::unexpected(Errno{EFAULT});
  return {};
}

Result<std::string> Caller::read_path(std::uint64_t address) const {
  std::string text(PATH_MAX, '\0');
  const auto count = read_some(address, text.data(), text.size());
  if (!count) return std::unexpected(count.error());
  const auto end = std::string_view(text).substr(0, *count).find('\0');
  if (end == std::string_view::npos) return std::unexpected(Errno{*count == PATH_MAX ? ENAMETOOLONG : EFAULT});
  text.resize(end);
  return text;
}

Result<Fd> Caller::descriptor(int number) const {
  if (number < 0) return std::unexpected(Errno{EBADF});
  auto object = open_own(fmt::format("fd/{}", number), O_PATH);
  if (!object && object.error().value == ENOENT) return std::unexpected(Errno{EBADF});
  return object;
}

Result<Fd> Caller::copy_of(int number) const {
  auto process = sys::pidfd_open(thread_);
  if (!process) {  // it is not the first thread
    const auto leader = status_field("Tgid");
    if (!leader) return std::unexpected(leader.error());
    process = sys::pidfd_open(std::stoi(*leader));
  }
  if (!process) return process;
  if (!listener_.is_waiting(id_)) return std::unexpected(Errno{ESRCH});
  Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process->get(), number, 0)));
  if (!copy) return std::unexpected(Errno{errno});
  return copy;
}

std::optional<Caller::Peer> Caller::peer(pid_t pid) const {
  rlimit64 limit{};
  if (!sys::prlimit(pid, RLIMIT_RTTIME, nullptr, &limit) || !holds_number(limit)) return {};
  const auto id = status_field(pid, "NSpid");
  if (!id) return {};
  return Peer{limit.rlim_cur - kFirstNumber, std::stoi(*id)};
}

Result<Fd> Caller::directory(int base) const {
  return base == AT_FDCWD ? open_own("cwd", O_PATH | O_DIRECTORY) : descriptor(base);
}

Result<Fd> Caller::start_of(int base, const std::string& path) const {
  if (path.empty()) return std::unexpected(Errno{ENOENT});
  return path.front() == '/' ? open_own("root", O_PATH | O_DIRECTORY) : directory(base);
}

Result<Fd> Caller::resolve(int base, const std::string& path, bool follow) const {
  const auto start = start_of(base, path);
  if (!start) return std::unexpected(start.error());
  auto object = open_within(*start, path, follow);
  constexpr int kOtherwise[] = {EXDEV, EAGAIN, ELOOP, ENOENT};
  if (object || std::ranges::find(kOtherwise, object.error().value) == std::end(kOtherwise)) return object;
  object = resolve_in_root(*start, path, follow);
  if (auto back = sys::fchdir(proc_); !back) return std::unexpected(back.error());
  return object;
}

Result<Fd> Caller::look_up(int base, const std::string& path, bool follow) const {
  const auto start = start_of(base, path);
  if (!start) return std::unexpected(start.error());
  auto object = open_within(*start, path, follow);
  if (object || object.error().value == ENOENT) return object;
  return resolve(base, path, follow);
}

Result<Fd> Caller::resolve_in_root(const Fd& start, const std::string& path, bool follow) const {
  const auto root = open_own("root", O_PATH | O_DIRECTORY);
  if (!root) return std::unexpected(root.error());
  if (auto moved = sys::fchdir(root->get()); !moved) return std::unexpected(moved.error());
  if (auto rooted = sys::chroot("."); !rooted) return std::unexpected(rooted.error());
  if (auto moved = sys::fchdir(start.get()); !moved) return std::unexpected(moved.error());
  auto object = sys::openat2(AT_FDCWD, path.c_str(), O_PATH | (follow ? 0 : O_NOFOLLOW), RESOLVE_NO_MAGICLINKS);
  if (object || (object.error().value != ELOOP && object.error().value != ENOENT)) return object;
  // Links of procfs mean something else to each process that looks.
  const auto numbers = status_field("NSpid"), group = status_field("NStgid");
  if (!numbers || !group) return object;
  return walk_path(path, follow, {*group, *numbers});
}

Result<std::string> Caller::status_field(pid_t pid, const std::string& name) const {
  const auto file = sys::openat(proc_, fmt::format("{}/status", pid).c_str(), O_RDONLY);
  if (!file) return std::unexpected(file.error());
  if (!listener_.is_waiting(id_)) return std::unexpected(Errno{ESRCH});
  std::string text(4096, '\0');
  const auto count = sys::read(file->get(), text.data(), text.size());
  if (!count) return std::unexpected(count.error());
  text.resize(*count);
  const auto at = text.find("\n" + name + ":");
  if (at == std::string::npos) return std::unexpected(Errno{ENOENT});
  const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  return line.substr(line.find_last_of("\t ") + 1);  // of several, that in the innermost namespace (proc(5))
}

Result<mode_t> Caller::umask() const {
  const auto word = status_field("Umask");
  if (!word) return std::unexpected(word.error());
  return static_cast<mode_t>(std::stoul(*word, nullptr, 8));
}

Result<std::uint64_t> Caller::capabilities() const {
  const auto sets = sys::capget(thread_);
  if (!sets) return std::unexpected(sets.error());
  return sets->effective;
}

Result<std::uint64_t> Caller::program() const {
  const auto file = open_own("auxv", O_RDONLY);
  if (!file) return std::unexpected(file.error());
  std::uint64_t words[64] = {};
  const auto size = sys::read(file->get(), words, sizeof words);
  if (!size) return std::unexpected(size.error());
  // The kernel puts sixteen random bytes on the new program's stack, whose place is random, too (getauxval(3)).
  for (std::size_t i = 0; i + 1 < *size / sizeof words[0]; i += 2) {
    if (words[i] == AT_RANDOM) return words[i + 1];
  }
  return std::unexpected(Errno{ENOENT});
}

std::optional<std::uint64_t> Caller::credentials() const {
  rlimit64 limit{};
  const bool known = static_cast<bool>(sys::prlimit(thread_, RLIMIT_RTTIME, nullptr, &limit));
  if (!known || !holds_number(limit)) return {};
  return limit.rlim_cur - kFirstNumber;
}

std::optional<rlimit64> Caller::limit_with_number() const {
  rlimit64 limit{};
  const bool known = static_cast<bool>(sys::prlimit(thread_, RLIMIT_RTTIME, nullptr, &limit));
  if (!known || !holds_number(limit)) return {};
  return rlimit64{limit.rlim_max, limit.rlim_max};
}

Result<void> Caller::set_credentials(std::uint32_t number) const {
  rlimit64 limit{};
  if (auto known = sys::prlimit(thread_, RLIMIT_RTTIME, nullptr, &limit); !known) return known;
  limit.rlim_cur = number == 0 && listener_.first == 0 ? limit.rlim_max : kFirstNumber + number;
  if (limit.rlim_cur > limit.rlim_max) return std::unexpected(Errno{EPERM});
  if (!listener_.is_waiting(id_)) return std::unexpected(Errno{ESRCH});
  return sys::prlimit(thread_, RLIMIT_RTTIME, &limit, nullptr);
}

}  // namespace sandbox::ownership
