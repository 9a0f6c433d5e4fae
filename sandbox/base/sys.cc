#include "sandbox/base/sys.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

namespace sandbox {

std::string Errno::message() const {
  std::array<char, 256> buffer{};
  return ::strerror_r(value, buffer.data(), buffer.size());
}

void Fd::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace sandbox

namespace sandbox::sys {
namespace {

std::unexpected<Errno> failed() noexcept { return std::unexpected(Errno{errno}); }

Result<void> done(long status) noexcept {
  if (status < 0) return failed();
  return {};
}

Result<Fd> made(long fd) noexcept {
  if (fd < 0) return failed();
  return Fd(static_cast<int>(fd));
}

Result<std::size_t> counted(long count) noexcept {
  if (count < 0) return failed();
  return static_cast<std::size_t>(count);
}

/// Every descriptor that bpf(2) makes is close-on-exec.
long bpf(int command, bpf_attr& attributes) noexcept {
  return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

template <class Call>
long retrying(Call call) noexcept {
  long status;
  do status = static_cast<long>(call());
  while (status < 0 && errno == EINTR);
  return status;
}

}  // namespace

Result<Fd> openat(int dir, const char* path, int flags, mode_t mode) noexcept {
  return made(retrying([&] { return ::openat(dir, path, flags | O_CLOEXEC, mode); }));
}

Result<Fd> openat2(int dir, const char* path, int flags, std::uint64_t resolve, mode_t mode) noexcept {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  how.mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0;
  how.resolve = resolve;
  long fd;
  int tries = 0;
  // EAGAIN: a rename raced with a resolution below a root; the kernel asks to try again.
  do fd = ::syscall(SYS_openat2, dir, path, &how, sizeof how);
  while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 128)));
  return made(fd);
}

Result<void> mkdirat(int dir, const char* path, mode_t mode) noexcept { return done(::mkdirat(dir, path, mode)); }
Result<void> unlinkat(int dir, const char* path, int flags) noexcept { return done(::unlinkat(dir, path, flags)); }
Result<void> renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) noexcept {
  return done(::renameat2(from_dir, from, to_dir, to, flags));
}
Result<void> symlinkat(const char* target, int dir, const char* path) noexcept {
  return done(::symlinkat(target, dir, path));
}
Result<void> linkat(int from_dir, const char* from, int to_dir, const char* to, int flags) noexcept {
  return done(::linkat(from_dir, from, to_dir, to, flags));
}
Result<void> mknodat(int dir, const char* path, mode_t mode, dev_t device) noexcept {
  return done(::mknodat(dir, path, mode, device));
}

Result<struct stat> fstatat(int dir, const char* path, int flags) noexcept {
  struct stat status {};
  if (::fstatat(dir, path, &status, flags) < 0) return failed();
  return status;
}
Result<struct statx> statx(int dir, const char* path, int flags, unsigned mask) noexcept {
  struct statx status {};
  if (::statx(dir, path, flags, mask, &status) < 0) return failed();
  return status;
}
Result<struct stat> fstat(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return failed();
  return status;
}
Result<std::uint64_t> fstatfs_type(int fd) noexcept {
  struct statfs status {};
  if (::fstatfs(fd, &status) < 0) return failed();
  return static_cast<std::uint64_t>(status.f_type);
}
Result<void> faccessat(int dir, const char* path, int mode) noexcept {
  return done(::faccessat(dir, path, mode, AT_EACCESS));
}
Result<void> fchmod(int fd, mode_t mode) noexcept { return done(::fchmod(fd, mode)); }
Result<void> fchownat(int dir, const char* path, uid_t uid, gid_t gid, int flags) noexcept {
  return done(::fchownat(dir, path, uid, gid, flags));
}
Result<std::string> readlinkat(int dir, const char* path) noexcept {
  std::array<char, 4096> buffer{};
  const ssize_t size = ::readlinkat(dir, path, buffer.data(), buffer.size());
  if (size < 0) return failed();
  return std::string(buffer.data(), static_cast<std::size_t>(size));
}
Result<std::size_t> read(int fd, void* data, std::size_t size) noexcept {
  return counted(retrying([&] { return ::read(fd, data, size); }));
}
Result<std::size_t> write(int fd, const void* data, std::size_t size) noexcept {
  return counted(retrying([&] { return ::write(fd, data, size); }));
}
Result<void> write_all(int fd, const void* data, std::size_t size) noexcept {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    auto count = write(fd, next, size);
    if (!count) return std::unexpected(count.error());
    next += *count;
    size -= *count;
  }
  return {};
}
Result<std::size_t> pread(int fd, void* data, std::size_t size, off_t offset) noexcept {
  return counted(retrying([&] { return ::pread(fd, data, size, offset); }));
}
Result<void> pwrite_all(int fd, const void* data, std::size_t size, off_t offset) noexcept {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const auto count = counted(retrying([&] { return ::pwrite(fd, next, size, offset); }));
    if (!count) return std::unexpected(count.error());
    next += *count;
    size -= *count;
    offset += static_cast<off_t>(*count);
  }
  return {};
}
Result<std::size_t> copy_file_range(int from, off_t* from_offset, int to, off_t* to_offset, std::size_t size) noexcept {
  return counted(retrying([&] { return ::copy_file_range(from, from_offset, to, to_offset, size, 0); }));
}
Result<off_t> lseek(int fd, off_t offset, int whence) noexcept {
  const off_t position = ::lseek(fd, offset, whence);
  if (position < 0) return failed();
  return position;
}
Result<void> fallocate(int fd, int mode, off_t offset, off_t size) noexcept {
  return done(retrying([&] { return ::fallocate(fd, mode, offset, size); }));
}
Result<struct statfs> fstatfs(int fd) noexcept {
  struct statfs status {};
  if (::fstatfs(fd, &status) < 0) return failed();
  return status;
}
Result<struct statvfs> fstatvfs(int fd) noexcept {
  struct statvfs status {};
  if (::fstatvfs(fd, &status) < 0) return failed();
  return status;
}
Result<void> fchmodat(int dir, const char* path, mode_t mode) noexcept { return done(::fchmodat(dir, path, mode, 0)); }
Result<void> utimensat(int dir, const char* path, const timespec (&times)[2], int flags) noexcept {
  return done(::utimensat(dir, path, times, flags));
}
Result<void> futimens(int fd, const timespec (&times)[2]) noexcept { return done(::futimens(fd, times)); }
Result<void> fsync(int fd) noexcept { return done(::fsync(fd)); }
Result<void> fdatasync(int fd) noexcept { return done(::fdatasync(fd)); }
Result<void> syncfs(int fd) noexcept { return done(::syncfs(fd)); }
Result<void> ftruncate(int fd, off_t size) noexcept { return done(::ftruncate(fd, size)); }
Result<Fd> dup(int fd) noexcept { return made(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }
Result<void> set_cloexec(int fd, bool on) noexcept { return done(::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0)); }
Result<void> set_nonblocking(int fd, bool on) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return failed();
  return done(::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

Result<std::size_t> getxattr(const char* path, const char* name, void* value, std::size_t size, bool follow) noexcept {
  return counted(follow ? ::getxattr(path, name, value, size) : ::lgetxattr(path, name, value, size));
}
Result<std::size_t> listxattr(const char* path, char* names, std::size_t size, bool follow) noexcept {
  return counted(follow ? ::listxattr(path, names, size) : ::llistxattr(path, names, size));
}
Result<std::size_t> fgetxattr(int fd, const char* name, void* value, std::size_t size) noexcept {
  return counted(::fgetxattr(fd, name, value, size));
}
Result<std::size_t> flistxattr(int fd, char* names, std::size_t size) noexcept {
  return counted(::flistxattr(fd, names, size));
}
Result<void> fsetxattr(int fd, const char* name, const void* value, std::size_t size, int flags) noexcept {
  return done(::fsetxattr(fd, name, value, size, flags));
}
Result<void> setxattr(const char* path, const char* name, const void* value, std::size_t size, int flags,
                      bool follow) noexcept {
  return done(follow ? ::setxattr(path, name, value, size, flags) : ::lsetxattr(path, name, value, size, flags));
}
Result<void> removexattr(const char* path, const char* name, bool follow) noexcept {
  return done(follow ? ::removexattr(path, name) : ::lremovexattr(path, name));
}

Result<Fd> fsopen(const char* type) noexcept { return made(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }
Result<void> fsconfig_string(int fs, const char* key, const char* value) noexcept {
  return done(::syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0));
}
Result<void> fsconfig_flag(int fs, const char* key) noexcept {
  return done(::syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, key, nullptr, 0));
}
Result<void> fsconfig_create(int fs) noexcept {
  return done(::syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
}
Result<Fd> fsmount(int fs, unsigned attributes) noexcept {
  return made(::syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}
Result<Fd> open_tree(int dir, const char* path, unsigned flags) noexcept {
  return made(::syscall(SYS_open_tree, dir, path, flags | OPEN_TREE_CLOEXEC));
}
Result<void> move_mount(int from, int to_dir, const char* to_path, unsigned flags) noexcept {
  return done(::syscall(SYS_move_mount, from, "", to_dir, to_path, flags | MOVE_MOUNT_F_EMPTY_PATH));
}
namespace {

Result<void> set_attributes(int fd, mount_attr attributes, bool recursive) noexcept {
  const unsigned flags = AT_EMPTY_PATH | (recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0U);
  return done(::syscall(SYS_mount_setattr, fd, "", flags, &attributes, sizeof attributes));
}

}  // namespace

Result<void> mount_setattr(int fd, std::uint64_t set, std::uint64_t clear, bool recursive,
                           std::uint64_t propagation) noexcept {
  return set_attributes(fd, {.attr_set = set, .attr_clr = clear, .propagation = propagation, .userns_fd = 0}, recursive);
}
Result<void> map_mount(int fd, int user_namespace, bool recursive) noexcept {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP;
  attributes.userns_fd = static_cast<std::uint64_t>(user_namespace);
  return set_attributes(fd, attributes, recursive);
}
Result<void> mount(const char* source, const char* target, const char* type, unsigned long flags,
                   const char* data) noexcept {
  return done(::mount(source, target, type, flags, data));
}
Result<void> umount2(const char* target, int flags) noexcept { return done(::umount2(target, flags)); }
Result<void> fchdir(int directory) noexcept { return done(::fchdir(directory)); }
Result<void> chroot(const char* path) noexcept { return done(::chroot(path)); }
Result<void> pivot_root(const char* new_root, const char* put_old) noexcept {
  return done(::syscall(SYS_pivot_root, new_root, put_old));
}

Result<Cloned> clone3(std::uint64_t flags, int cgroup) noexcept {
  int pidfd = -1;
  struct clone_args arguments {};
  arguments.flags = flags | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  // With CLONE_PARENT the signal is inherited, and clone3 wants none named.
  arguments.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
  if (cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup);
  }
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return failed();
  Cloned cloned;
  cloned.pid = static_cast<pid_t>(pid);
  if (pid > 0) cloned.pidfd = Fd(pidfd);
  return cloned;
}
Result<void> setns(int fd, int type) noexcept { return done(::setns(fd, type)); }
Result<void> unshare(int flags) noexcept { return done(::unshare(flags)); }
Result<Fd> pidfd_open(pid_t pid) noexcept { return made(::syscall(SYS_pidfd_open, pid, 0)); }
Result<void> pidfd_send_signal(int pidfd, int signal) noexcept {
  return done(::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}
Result<void> prlimit(pid_t pid, int resource, const rlimit64* wanted, rlimit64* present) noexcept {
  return done(::prlimit64(pid, static_cast<__rlimit_resource>(resource), wanted, present));
}

namespace {

constexpr unsigned capability_words = _LINUX_CAPABILITY_U32S_3;

std::uint64_t joined(std::uint32_t low, std::uint32_t high) { return std::uint64_t{high} << 32 | low; }

}  // namespace

Result<Capabilities> capget(pid_t thread) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, thread};
  __user_cap_data_struct words[capability_words] = {};
  if (::syscall(SYS_capget, &header, words) < 0) return failed();
  return Capabilities{.permitted = joined(words[0].permitted, words[1].permitted),
                      .effective = joined(words[0].effective, words[1].effective),
                      .inheritable = joined(words[0].inheritable, words[1].inheritable)};
}
Result<void> capset(const Capabilities& sets) noexcept {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct words[capability_words] = {};
  for (unsigned i = 0; i < capability_words; ++i) {
    words[i] = {.effective = static_cast<__u32>(sets.effective >> (32 * i)),
                .permitted = static_cast<__u32>(sets.permitted >> (32 * i)),
                .inheritable = static_cast<__u32>(sets.inheritable >> (32 * i))};
  }
  return done(::syscall(SYS_capset, &header, words));
}
Result<int> wait_pidfd(int pidfd) noexcept {
  siginfo_t info{};
  if (retrying([&] { return ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED); }) < 0) return failed();
  if (info.si_code == CLD_EXITED) return info.si_status << 8;
  return info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
}

Result<Fd> bpf_load_program(unsigned type, Bytes program, const char* name) noexcept {
  bpf_attr attributes{};
  attributes.prog_type = type;
  attributes.insns = reinterpret_cast<std::uintptr_t>(program.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(program.size() / sizeof(bpf_insn));
  attributes.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  ::strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
  return made(bpf(BPF_PROG_LOAD, attributes));
}
Result<void> bpf_attach_program(int cgroup, int program, unsigned attach_type, int replaced) noexcept {
  bpf_attr attributes{};
  attributes.target_fd = static_cast<std::uint32_t>(cgroup);
  attributes.attach_bpf_fd = static_cast<std::uint32_t>(program);
  attributes.attach_type = attach_type;
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (replaced >= 0) {
    attributes.attach_flags |= BPF_F_REPLACE;
    attributes.replace_bpf_fd = static_cast<std::uint32_t>(replaced);
  }
  return done(bpf(BPF_PROG_ATTACH, attributes));
}
Result<std::vector<std::uint32_t>> bpf_attached_programs(int cgroup, unsigned attach_type) noexcept {
  std::array<std::uint32_t, 64> ids{};  // BPF_CGROUP_MAX_PROGS
  bpf_attr attributes{};
  attributes.query.target_fd = static_cast<std::uint32_t>(cgroup);
  attributes.query.attach_type = attach_type;
  attributes.query.prog_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  attributes.query.prog_cnt = ids.size();
  if (bpf(BPF_PROG_QUERY, attributes) < 0) return failed();
  return std::vector<std::uint32_t>(ids.begin(), ids.begin() + attributes.query.prog_cnt);
}
Result<Fd> bpf_open_program(std::uint32_t id) noexcept {
  bpf_attr attributes{};
  attributes.prog_id = id;
  return made(bpf(BPF_PROG_GET_FD_BY_ID, attributes));
}
Result<std::string> bpf_program_name(int program) noexcept {
  bpf_prog_info info{};
  bpf_attr attributes{};
  attributes.info.bpf_fd = static_cast<std::uint32_t>(program);
  attributes.info.info_len = sizeof info;
  attributes.info.info = reinterpret_cast<std::uintptr_t>(&info);
  if (bpf(BPF_OBJ_GET_INFO_BY_FD, attributes) < 0) return failed();
  return std::string(info.name, ::strnlen(info.name, sizeof info.name));
}

Result<Pair> socketpair(int type) noexcept {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0) return failed();
  return Pair{Fd(fds[0]), Fd(fds[1])};
}
Result<Pair> pipe() noexcept {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) < 0) return failed();
  return Pair{Fd(fds[0]), Fd(fds[1])};
}

constexpr std::size_t max_fds = 16;

Result<void> send_message(int socket, Bytes data, std::span<const int> fds) noexcept {
  if (fds.size() > max_fds) return std::unexpected(Errno{EINVAL});
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_fds)] = {};
  iovec part{const_cast<std::byte*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    ::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  return done(retrying([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL); }));
}

Result<Message> receive_message(int socket, std::size_t limit) noexcept {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_fds)] = {};
  Message received;
  received.data.resize(limit);
  iovec part{received.data.data(), limit};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const long count = retrying([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
  if (count < 0) return failed();
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t number = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < number; ++i) {
      int fd;
      ::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  received.data.resize(static_cast<std::size_t>(count));
  return received;
}

}  // namespace sandbox::sys
