// The one place for raw system calls. Wrappers keep the manual page's name, never throw, set
// close-on-exec on every descriptor that they make, and retry EINTR where that is safe.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/vfs.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

namespace sandbox::sys {

using Bytes = std::span<const std::byte>;

// --- files -------------------------------------------------------------------------------------
[[nodiscard]] Result<Fd> openat(int dir, const char* path, int flags, mode_t mode = 0) noexcept;
/// openat2(2), Linux 5.6. `resolve` is a set of RESOLVE_* bits.
[[nodiscard]] Result<Fd> openat2(int dir, const char* path, int flags, std::uint64_t resolve,
                                 mode_t mode = 0) noexcept;
[[nodiscard]] Result<void> mkdirat(int dir, const char* path, mode_t mode) noexcept;
[[nodiscard]] Result<void> unlinkat(int dir, const char* path, int flags) noexcept;
[[nodiscard]] Result<void> renameat2(int from_dir, const char* from, int to_dir, const char* to,
                                     unsigned flags = 0) noexcept;
[[nodiscard]] Result<void> symlinkat(const char* target, int dir, const char* path) noexcept;
[[nodiscard]] Result<void> linkat(int from_dir, const char* from, int to_dir, const char* to,
                                  int flags = 0) noexcept;
[[nodiscard]] Result<void> mknodat(int dir, const char* path, mode_t mode, dev_t device) noexcept;
[[nodiscard]] Result<struct stat> fstatat(int dir, const char* path, int flags) noexcept;
[[nodiscard]] Result<struct stat> fstat(int fd) noexcept;
[[nodiscard]] Result<struct statx> statx(int dir, const char* path, int flags, unsigned mask) noexcept;
/// statfs(2)'s f_type: a *_SUPER_MAGIC of linux/magic.h.
[[nodiscard]] Result<std::uint64_t> fstatfs_type(int fd) noexcept;
/// With the effective ids, like the calls that follow it.
[[nodiscard]] Result<void> faccessat(int dir, const char* path, int mode) noexcept;
[[nodiscard]] Result<void> fchmod(int fd, mode_t mode) noexcept;
[[nodiscard]] Result<void> fchownat(int dir, const char* path, uid_t uid, gid_t gid, int flags) noexcept;
[[nodiscard]] Result<std::string> readlinkat(int dir, const char* path) noexcept;
[[nodiscard]] Result<std::size_t> read(int fd, void* data, std::size_t size) noexcept;
[[nodiscard]] Result<std::size_t> write(int fd, const void* data, std::size_t size) noexcept;
[[nodiscard]] Result<void> write_all(int fd, const void* data, std::size_t size) noexcept;
[[nodiscard]] Result<std::size_t> pread(int fd, void* data, std::size_t size, off_t offset) noexcept;
[[nodiscard]] Result<void> pwrite_all(int fd, const void* data, std::size_t size, off_t offset) noexcept;
/// copy_file_range(2); nullptr: at the descriptor's own position.
[[nodiscard]] Result<std::size_t> copy_file_range(int from, off_t* from_offset, int to, off_t* to_offset,
                                                  std::size_t size) noexcept;
[[nodiscard]] Result<off_t> lseek(int fd, off_t offset, int whence) noexcept;
[[nodiscard]] Result<void> fallocate(int fd, int mode, off_t offset, off_t size) noexcept;
[[nodiscard]] Result<struct statfs> fstatfs(int fd) noexcept;
[[nodiscard]] Result<struct statvfs> fstatvfs(int fd) noexcept;
[[nodiscard]] Result<void> fchmodat(int dir, const char* path, mode_t mode) noexcept;
[[nodiscard]] Result<void> utimensat(int dir, const char* path, const timespec (&times)[2], int flags) noexcept;
[[nodiscard]] Result<void> futimens(int fd, const timespec (&times)[2]) noexcept;
[[nodiscard]] Result<void> fsync(int fd) noexcept;
[[nodiscard]] Result<void> fdatasync(int fd) noexcept;
[[nodiscard]] Result<void> syncfs(int fd) noexcept;
[[nodiscard]] Result<void> ftruncate(int fd, off_t size) noexcept;
[[nodiscard]] Result<Fd> dup(int fd) noexcept;             ///< F_DUPFD_CLOEXEC, number ≥ 3.
[[nodiscard]] Result<void> set_cloexec(int fd, bool on) noexcept;
[[nodiscard]] Result<void> set_nonblocking(int fd, bool on) noexcept;

// --- extended attributes (getxattr(2) …); without `follow` of a final symbolic link itself (lgetxattr) --
[[nodiscard]] Result<std::size_t> getxattr(const char* path, const char* name, void* value, std::size_t size,
                                           bool follow) noexcept;
[[nodiscard]] Result<std::size_t> listxattr(const char* path, char* names, std::size_t size, bool follow) noexcept;
[[nodiscard]] Result<void> setxattr(const char* path, const char* name, const void* value, std::size_t size, int flags,
                                    bool follow) noexcept;
[[nodiscard]] Result<void> removexattr(const char* path, const char* name, bool follow) noexcept;
[[nodiscard]] Result<std::size_t> fgetxattr(int fd, const char* name, void* value, std::size_t size) noexcept;
[[nodiscard]] Result<std::size_t> flistxattr(int fd, char* names, std::size_t size) noexcept;
[[nodiscard]] Result<void> fsetxattr(int fd, const char* name, const void* value, std::size_t size, int flags) noexcept;

// --- mounts (by descriptor; Linux 5.2, mount_setattr 5.12) ---------------------------------------
[[nodiscard]] Result<Fd> fsopen(const char* type) noexcept;
[[nodiscard]] Result<void> fsconfig_string(int fs, const char* key, const char* value) noexcept;
[[nodiscard]] Result<void> fsconfig_flag(int fs, const char* key) noexcept;
[[nodiscard]] Result<void> fsconfig_create(int fs) noexcept;
[[nodiscard]] Result<Fd> fsmount(int fs, unsigned attributes) noexcept;
[[nodiscard]] Result<Fd> open_tree(int dir, const char* path, unsigned flags) noexcept;
[[nodiscard]] Result<void> move_mount(int from, int to_dir, const char* to_path, unsigned flags) noexcept;
/// Sets and clears MOUNT_ATTR_* on the mount at `fd` (AT_RECURSIVE when `recursive`).
[[nodiscard]] Result<void> mount_setattr(int fd, std::uint64_t set, std::uint64_t clear,
                                         bool recursive, std::uint64_t propagation = 0) noexcept;
/// Gives the mount at `fd` the ids of a user namespace (MOUNT_ATTR_IDMAP).
[[nodiscard]] Result<void> map_mount(int fd, int user_namespace, bool recursive) noexcept;
[[nodiscard]] Result<void> mount(const char* source, const char* target, const char* type,
                                 unsigned long flags, const char* data) noexcept;
[[nodiscard]] Result<void> umount2(const char* target, int flags) noexcept;
[[nodiscard]] Result<void> fchdir(int directory) noexcept;
[[nodiscard]] Result<void> chroot(const char* path) noexcept;
[[nodiscard]] Result<void> pivot_root(const char* new_root, const char* put_old) noexcept;

// --- processes ---------------------------------------------------------------------------------
struct Cloned {
  pid_t pid = 0;  ///< 0 in the child.
  Fd pidfd;       ///< In the parent only.
};
/// clone3(2), Linux 5.3, as fork with `flags` (CLONE_NEW*, CLONE_PIDFD is always added).
/// `cgroup` ≥ 0: CLONE_INTO_CGROUP (Linux 5.7). Precondition: the process has one thread.
[[nodiscard]] Result<Cloned> clone3(std::uint64_t flags, int cgroup = -1) noexcept;
[[nodiscard]] Result<void> setns(int fd, int type) noexcept;
[[nodiscard]] Result<void> unshare(int flags) noexcept;
[[nodiscard]] Result<Fd> pidfd_open(pid_t pid) noexcept;
[[nodiscard]] Result<void> pidfd_send_signal(int pidfd, int signal) noexcept;
/// prlimit(2); nullptr: not set, not asked for.
[[nodiscard]] Result<void> prlimit(pid_t pid, int resource, const rlimit64* wanted,
                                   rlimit64* present) noexcept;
/// Bit n: capability n (capabilities(7)).
struct Capabilities {
  std::uint64_t permitted = 0, effective = 0, inheritable = 0;
};
[[nodiscard]] Result<Capabilities> capget(pid_t thread) noexcept;  ///< 0: the caller's.
[[nodiscard]] Result<void> capset(const Capabilities& sets) noexcept;
/// Waits for the child of `pidfd`; returns a wait status as waitpid(2) gives it.
[[nodiscard]] Result<int> wait_pidfd(int pidfd) noexcept;

// --- BPF programs of cgroups (bpf(2)) ------------------------------------------------------------
/// `program`: struct bpf_insn[]. `name`: at most 15 bytes.
[[nodiscard]] Result<Fd> bpf_load_program(unsigned type, Bytes program, const char* name) noexcept;
/// As one of several (BPF_F_ALLOW_MULTI); `replaced` ≥ 0: in place of that attached one (Linux 5.6).
[[nodiscard]] Result<void> bpf_attach_program(int cgroup, int program, unsigned attach_type, int replaced) noexcept;
/// Ids of those that the cgroup itself has, at most 64.
[[nodiscard]] Result<std::vector<std::uint32_t>> bpf_attached_programs(int cgroup, unsigned attach_type) noexcept;
[[nodiscard]] Result<Fd> bpf_open_program(std::uint32_t id) noexcept;
[[nodiscard]] Result<std::string> bpf_program_name(int program) noexcept;

// --- sockets -----------------------------------------------------------------------------------
struct Pair {
  Fd first, second;
};
[[nodiscard]] Result<Pair> socketpair(int type) noexcept;  ///< AF_UNIX, CLOEXEC.
[[nodiscard]] Result<Pair> pipe() noexcept;                ///< first = read end.
/// Sends `data` with descriptors attached (SCM_RIGHTS, at most 16).
[[nodiscard]] Result<void> send_message(int socket, Bytes data, std::span<const int> fds) noexcept;
struct Message {
  std::vector<std::byte> data;  ///< Empty: the peer closed.
  std::vector<Fd> fds;
};
/// Receives one message of at most `limit` bytes, with up to 16 descriptors.
[[nodiscard]] Result<Message> receive_message(int socket, std::size_t limit) noexcept;

}  // namespace sandbox::sys
