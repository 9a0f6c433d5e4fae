#include "sandbox/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include <memory>

#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Two processes may remove the same left-over tree: what the other one took is gone as well.
bool is_absent(Errno error) { return error.value == ENOENT; }

void remove_directory(int dir, const char* path) {
  const auto removed = sys::unlinkat(dir, path, AT_REMOVEDIR);
  if (!removed && !is_absent(removed.error())) throw SysError(removed.error(), fmt::format("removing directory '{}'", path));
}

Fd open_to_empty(int fd, const char* name) {
  auto child = sys::openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!child && child.error().value == EACCES) {
    if (::fchmodat(fd, name, 0700, 0) < 0 && is_absent(Errno{errno})) return {};
    child = sys::openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  if (!child && is_absent(child.error())) return {};
  if (!child) throw SysError(child.error(), fmt::format("opening '{}' to remove it", name));
  if (const auto status = sys::fstat(child->get()); status && (status->st_mode & 0700) != 0700) {
    (void)sys::fchmod(child->get(), 0700);  // a failure shows in the unlink that follows
  }
  return std::move(*child);
}

/// Empties a directory by descriptor. What lies deeper than a few levels is moved up to `top` first, so that neither
/// descriptors nor the stack run out, however deep a container has dug.
class Emptying {
 public:
  explicit Emptying(const Fd& top) : top_(top.get()) {
    do {
      moved_ = false;
      empty(sys::openat(top_, ".", O_RDONLY | O_DIRECTORY) | or_throw("reading a directory to remove"), 0);
    } while (moved_);
  }

 private:
  static constexpr int deepest = 32;

  void empty(Fd dir, int depth) {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(dir.get()), ::closedir);
    if (!stream) throw SysError(Errno{errno}, "reading a directory to remove");
    const int fd = dir.release();
    while (const dirent* entry = ::readdir(stream.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const auto removed = sys::unlinkat(fd, entry->d_name, 0);
      if (removed || is_absent(removed.error())) continue;
      if (removed.error().value != EISDIR && removed.error().value != EPERM) {
        throw SysError(removed.error(), fmt::format("removing '{}'", name));
      }
      remove_child(fd, entry->d_name, depth);
    }
  }

  void remove_child(int fd, const char* name, int depth) {
    Fd child = open_to_empty(fd, name);
    if (!child) return;
    if (depth < deepest) {
      empty(std::move(child), depth + 1);
      return remove_directory(fd, name);
    }
    const auto moved = sys::renameat2(fd, name, top_, random_hex(32).c_str());
    if (!moved && !is_absent(moved.error())) throw SysError(moved.error(), fmt::format("removing '{}'", name));
    moved_ = true;
  }

  int top_;
  bool moved_ = false;
};

}  // namespace

std::string read_to_end(int fd, std::string_view what, std::size_t limit) {
  std::string content;
  char buffer[16384];
  for (;;) {
    const std::size_t count = sys::read(fd, buffer, sizeof buffer) | or_throw("reading {}", what);
    if (count == 0) return content;
    if (content.size() + count > limit) {
      throw InvalidInput(fmt::format("{} is larger than {} bytes", what, limit));
    }
    content.append(buffer, count);
  }
}

std::string read_file_at(int dir, const std::string& path, std::size_t limit) {
  const Fd fd = sys::openat(dir, path.c_str(), O_RDONLY | O_NONBLOCK) | or_throw("opening '{}'", path);
  return read_to_end(fd.get(), fmt::format("'{}'", path), limit);
}

std::string read_file(const std::string& path, std::size_t limit) { return read_file_at(AT_FDCWD, path, limit); }

void write_file_atomic(const std::string& path, std::string_view content, bool durable, unsigned mode) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, random_hex(8));
  {
    const Fd fd = sys::openat(AT_FDCWD, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL, mode) |
                  or_throw("creating '{}'", temporary);
    auto written = sys::write_all(fd.get(), content.data(), content.size());
    if (written && durable) written = sys::fsync(fd.get());
    if (!written) {
      (void)sys::unlinkat(AT_FDCWD, temporary.c_str(), 0);
      throw SysError(written.error(), fmt::format("writing '{}'", path));
    }
  }
  if (auto renamed = sys::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str()); !renamed) {
    (void)sys::unlinkat(AT_FDCWD, temporary.c_str(), 0);
    throw SysError(renamed.error(), fmt::format("replacing '{}'", path));
  }
  if (!durable) return;
  const std::string parent = parent_of(path);
  const Fd dir = sys::openat(AT_FDCWD, parent.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", parent);
  sys::fsync(dir.get()) | or_throw("syncing '{}'", parent);
}

void make_directories(const std::string& path) {
  auto made = sys::mkdirat(AT_FDCWD, path.c_str(), 0700);
  if (!made && made.error().value == ENOENT && parent_of(path) != path) {
    make_directories(parent_of(path));
    made = sys::mkdirat(AT_FDCWD, path.c_str(), 0700);
  }
  if (!made && made.error().value != EEXIST && !path_exists(path)) {
    throw SysError(made.error(), fmt::format("creating directory '{}'", path));
  }
}

bool path_exists(const std::string& path) { return ::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

void remove_tree(const std::string& path) {
  if (auto removed = sys::unlinkat(AT_FDCWD, path.c_str(), 0); removed || is_absent(removed.error())) return;
  auto dir = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir && is_absent(dir.error())) return;
  if (!dir) throw SysError(dir.error(), fmt::format("opening '{}'", path));
  (void)sys::fchmod(dir->get(), 0700);
  const Emptying emptied(*dir);
  remove_directory(AT_FDCWD, path.c_str());
}

FileLock::FileLock(const std::string& path) { (void)lock(path, F_OFD_SETLKW); }

std::optional<FileLock> FileLock::if_free(const std::string& path) {
  FileLock attempt;
  return attempt.lock(path, F_OFD_SETLK) ? std::optional(std::move(attempt)) : std::nullopt;
}

bool FileLock::lock(const std::string& path, int command) {
  fd_ = sys::openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT, 0600) | or_throw("opening lock '{}'", path);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  while (::fcntl(fd_.get(), command, &whole) < 0) {
    if (errno == EAGAIN || errno == EACCES) return false;
    if (errno != EINTR) throw SysError(Errno{errno}, fmt::format("locking '{}'", path));
  }
  return true;
}

}  // namespace sandbox
