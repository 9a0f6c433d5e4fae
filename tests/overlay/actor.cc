#include "actor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

namespace sandbox::overlay::test {
namespace fs = std::filesystem;
namespace {

constexpr time_t kRecent = 1500000000;  ///< Scripts set earlier times, and the clock later ones.

std::string outcome(long result) { return result < 0 ? ::strerrorname_np(errno) : std::to_string(result); }

std::string pattern(const Operation& operation) {
  std::string bytes(static_cast<std::size_t>(operation.size), '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>('a' + (static_cast<std::size_t>(operation.offset) + i * 7 + bytes.size()) % 26);
  }
  return bytes;
}

std::string status_at(int directory, const std::string& path, int flags) {
  struct stat status {};
  return ::fstatat(directory, path.c_str(), &status, flags) < 0 ? outcome(-1) : describe(status);
}

std::string read_at(int fd, off_t offset, std::size_t size) {
  std::vector<char> bytes(size);
  const ssize_t got = ::pread(fd, bytes.data(), size, offset);
  if (got < 0) return outcome(got);
  return fmt::format("{} {:x}", got, digest(bytes.data(), static_cast<std::size_t>(got)));
}

/// Nothing is mapped beyond the file's end, where touching it would be a SIGBUS.
std::string map(int fd, const Operation& operation, bool writes) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return outcome(-1);
  const long page = ::sysconf(_SC_PAGESIZE), begin = operation.offset / page * page;
  const long end = std::min(operation.offset + operation.size, static_cast<long>(status.st_size));
  // What is written through a map keeps set-ID bits natively (README.md).
  const bool is_set_id = writes && (status.st_mode & (S_ISUID | S_ISGID)) != 0;
  if (!S_ISREG(status.st_mode) || end <= operation.offset || is_set_id) return "nothing to map";
  const auto length = static_cast<std::size_t>(end - begin);
  void* at = ::mmap(nullptr, length, writes ? PROT_READ | PROT_WRITE : PROT_READ, writes ? MAP_SHARED : MAP_PRIVATE, fd,
                    begin);
  if (at == MAP_FAILED) return outcome(-1);
  char* data = static_cast<char*>(at) + (operation.offset - begin);
  const auto size = static_cast<std::size_t>(end - operation.offset);
  const std::uint64_t before = digest(data, size);
  int synced = 0;
  if (writes) ::memset(data, 'A' + static_cast<int>(size % 26), size);
  if (writes && operation.flags != 0) synced = ::msync(at, length, MS_SYNC);
  ::munmap(at, length);
  return fmt::format("{:x} {}", before, synced);
}

std::string set_attribute(const Operation& operation, int fd) {
  const std::string value = pattern(operation);
  return outcome(fd >= 0 ? ::fsetxattr(fd, operation.other.c_str(), value.data(), value.size(), operation.flags)
                         : ::lsetxattr(operation.path.c_str(), operation.other.c_str(), value.data(), value.size(),
                                       operation.flags));
}

std::string get_attribute(const Operation& operation) {
  std::vector<char> value(static_cast<std::size_t>(operation.size));
  const ssize_t got = ::lgetxattr(operation.path.c_str(), operation.other.c_str(), value.data(), value.size());
  if (got < 0) return outcome(got);
  return fmt::format("{} {:x}", got, digest(value.data(), value.empty() ? 0 : static_cast<std::size_t>(got)));
}

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const auto& word : words) all += word + ",";
  return all;
}

std::string remove_all(const std::string& path) {
  std::error_code error;
  const auto count = fs::remove_all(path, error);
  return error ? ::strerrorname_np(error.value()) : std::to_string(count);
}

std::string listing(int parent, const char* path) {
  const Fd directory(::openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory ? names_of(directory.get()) : outcome(-1);
}

/// What a walk sees of everything below: each directory is read before those in it are.
std::string walk(const std::string& top) {
  std::vector<std::string> seen;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(top, error), end; !error && entry != end; entry.increment(error)) {
    seen.push_back(entry->path().string() + " " + status_at(AT_FDCWD, entry->path(), AT_SYMLINK_NOFOLLOW));
  }
  if (error) seen.push_back(::strerrorname_np(error.value()));
  std::sort(seen.begin(), seen.end());
  return joined(seen);
}

void times_of(const Operation& operation, timespec (&times)[2]) {
  times[0] = {operation.offset, operation.size % 1000000000};
  times[1] = {operation.offset, operation.size % 1000000000};
}

}  // namespace

std::uint64_t digest(const char* data, std::size_t size) {
  std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(data[i])) * 1099511628211ULL;
  return hash;
}

std::string describe(const struct stat& status) {
  std::string text = fmt::format("{:o} {}:{}", status.st_mode, status.st_uid, status.st_gid);
  // What a directory's size and number of links are is its file system's own business (README.md).
  if (!S_ISDIR(status.st_mode)) text += fmt::format(" links {} size {}", status.st_nlink, status.st_size);
  // A pipe's writers change its time natively, and not here (README.md).
  if (status.st_mtim.tv_sec < kRecent && !S_ISFIFO(status.st_mode))
    text += fmt::format(" mtime {}.{}", status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  return text;
}

std::string names_of(int directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(::dup(directory)), ::closedir);
  if (stream == nullptr) return outcome(-1);
  ::rewinddir(stream.get());
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    names.push_back(fmt::format("{} {}", entry->d_name, entry->d_type));
  }
  if (errno != 0) return outcome(-1);
  std::sort(names.begin(), names.end());
  return joined(names);
}

std::vector<std::string> attributes_of(const std::string& path) {
  std::string all(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), all.data(), all.size());
  std::vector<std::string> names;
  for (std::size_t at = 0; size > 0 && at < static_cast<std::size_t>(size); at += names.back().size() + 1) {
    names.emplace_back(all.c_str() + at);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string Actor::perform_on_file(const Operation& operation) {
  const int file = fd(operation.slot);
  const auto size = static_cast<std::size_t>(operation.size), slot = static_cast<std::size_t>(operation.slot);
  timespec times[2];
  struct stat status {};
  switch (operation.kind) {
    case Kind::open: {
      Fd opened(::open(operation.path.c_str(), operation.flags | O_CLOEXEC | O_NONBLOCK, operation.mode));
      if (!opened) return outcome(-1);
      slots_[slot] = std::move(opened);
      numbers_[slot] = ::fstat(fd(operation.slot), &status) < 0 ? 0 : status.st_ino;
      return "0";
    }
    case Kind::close:
      slots_[slot].reset();
      return "0";
    case Kind::pread:
      return read_at(file, operation.offset, size);
    case Kind::pwrite:
      return outcome(::pwrite(file, pattern(operation).data(), size, operation.offset));
    case Kind::append:
      return outcome(::write(file, pattern(operation).data(), size));
    case Kind::ftruncate:
      return outcome(::ftruncate(file, operation.size));
    case Kind::fallocate:
      return outcome(::fallocate(file, operation.flags, operation.offset, operation.size));
    case Kind::seek:
      if (::fstat(file, &status) == 0 && !S_ISREG(status.st_mode)) return "no file";
      return outcome(::lseek(file, operation.offset, operation.flags));
    case Kind::fstat:
      if (::fstat(file, &status) < 0) return outcome(-1);
      return describe(status) + (status.st_ino == numbers_[slot] ? "" : " has another inode number than at opening");
    case Kind::fchmod:
      return outcome(::fchmod(file, operation.mode));
    case Kind::futimens:
      times_of(operation, times);
      return outcome(::futimens(file, times));
    case Kind::map_write:
    case Kind::map_read:
      return map(file, operation, operation.kind == Kind::map_write);
    case Kind::copy_range: {
      loff_t from = operation.offset, to = operation.other_offset;
      return outcome(::copy_file_range(file, &from, fd(operation.other_slot), &to, size, 0));
    }
    case Kind::fsetxattr:
      return file < 0 ? "EBADF" : set_attribute(operation, file);
    case Kind::link_open:
      return outcome(::linkat(AT_FDCWD, fmt::format("/proc/self/fd/{}", file).c_str(), AT_FDCWD, operation.path.c_str(),
                              AT_SYMLINK_FOLLOW));
    case Kind::fsync:
      return outcome(::fsync(file));
    default:
      return perform_at(operation);
  }
}

std::string Actor::perform_at(const Operation& operation) {
  const int directory = fd(operation.slot);
  switch (operation.kind) {
    case Kind::create_at: {
      const Fd made(::openat(directory < 0 ? -1 : directory, operation.other.c_str(),
                             O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, operation.mode));
      return outcome(made ? 0 : -1);
    }
    case Kind::stat_at:
      return status_at(directory < 0 ? -1 : directory, operation.other, AT_SYMLINK_NOFOLLOW);
    case Kind::list_at:
      return listing(directory < 0 ? -1 : directory, ".");
    default:
      return perform_on_path(operation);
  }
}

std::string Actor::perform_on_path(const Operation& operation) {
  const char* path = operation.path.c_str();
  timespec times[2];
  char target[4096];
  switch (operation.kind) {
    case Kind::truncate:
      return outcome(::truncate(path, operation.size));
    case Kind::stat:
      return status_at(AT_FDCWD, operation.path, operation.flags);
    case Kind::chmod:
      return outcome(::chmod(path, operation.mode));
    case Kind::chown:
      return outcome(::lchown(path, static_cast<uid_t>(operation.offset), static_cast<gid_t>(operation.size)));
    case Kind::utimens:
      times_of(operation, times);
      return outcome(::utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
    case Kind::setxattr:
      return set_attribute(operation, -1);
    case Kind::getxattr:
      return get_attribute(operation);
    case Kind::removexattr:
      return outcome(::lremovexattr(path, operation.other.c_str()));
    case Kind::listxattr:
      return joined(attributes_of(operation.path));
    case Kind::link:
      return outcome(::link(path, operation.other.c_str()));
    case Kind::symlink:
      return outcome(::symlink(operation.other.c_str(), path));
    case Kind::readlink: {
      const ssize_t size = ::readlink(path, target, sizeof target);
      return size < 0 ? outcome(size) : std::string(target, static_cast<std::size_t>(size));
    }
    case Kind::rename:
      return outcome(
          ::renameat2(AT_FDCWD, path, AT_FDCWD, operation.other.c_str(), static_cast<unsigned>(operation.flags)));
    case Kind::unlink:
      return outcome(::unlink(path));
    case Kind::rmdir:
      return outcome(::rmdir(path));
    case Kind::mkdir:
      return outcome(::mkdir(path, operation.mode));
    case Kind::mknod:
      return outcome(::mknod(path, operation.mode, 0));
    case Kind::list:
      return listing(AT_FDCWD, path) + walk(operation.path);
    case Kind::access:
      return outcome(::access(path, operation.flags));
    case Kind::remove_tree:
      return remove_all(operation.path);
    default:
      return "no such operation";
  }
}

std::string Actor::perform(const Operation& operation) { return perform_on_file(operation); }

}  // namespace sandbox::overlay::test
