#include "userns/copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include <memory>
#include <string>
#include <vector>

#include "sandbox/base/sys.h"

namespace sandbox::userns {
namespace {

constexpr int deepest = 256;  // directories; each holds two descriptors open
constexpr std::uint64_t beneath = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;

std::vector<std::string> names_in(int directory) {
  Fd again = sys::openat(directory, ".", O_RDONLY | O_DIRECTORY) | or_throw("reading what a tmpfs covers");
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(again.get()), ::closedir);
  if (!stream) throw SysError(Errno{errno}, "reading what a tmpfs covers");
  (void)again.release();
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

/// An owner without an id here stays ours: nobody could be told of it anyway (user_namespaces(7)).
void copy_owner_and_times(int to, const std::string& name, const struct stat& status) {
  (void)sys::fchownat(to, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW);
  if (!S_ISLNK(status.st_mode)) {
    sys::fchmodat(to, name.c_str(), status.st_mode & 07777) | or_throw("copying '{}'", name);
  }
  const timespec times[2] = {status.st_atim, status.st_mtim};
  sys::utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW) | or_throw("copying '{}'", name);
}

void copy_file(int from, int to, const std::string& name) {
  const Fd source = sys::openat2(from, name.c_str(), O_RDONLY | O_NONBLOCK, beneath) | or_throw("copying '{}'", name);
  const Fd copy = sys::openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600) | or_throw("copying '{}'", name);
  char buffer[65536];
  while (const std::size_t size = sys::read(source.get(), buffer, sizeof buffer) | or_throw("reading '{}'", name)) {
    sys::write_all(copy.get(), buffer, size) | or_throw("copying '{}'", name);
  }
}

void copy_entries(int from, int to, int depth) {
  if (depth > deepest) throw InvalidInput("a tmpfs covers directories that are nested too deeply to be copied");
  for (const std::string& name : names_in(from)) {
    const struct stat status = sys::fstatat(from, name.c_str(), AT_SYMLINK_NOFOLLOW) | or_throw("reading '{}'", name);
    if (S_ISDIR(status.st_mode)) {
      sys::mkdirat(to, name.c_str(), 0700) | or_throw("copying '{}'", name);
      const Fd source =
          sys::openat2(from, name.c_str(), O_PATH | O_DIRECTORY, beneath) | or_throw("reading '{}'", name);
      const Fd copy = sys::openat2(to, name.c_str(), O_PATH | O_DIRECTORY, beneath) | or_throw("copying '{}'", name);
      copy_entries(source.get(), copy.get(), depth + 1);
    } else if (S_ISREG(status.st_mode)) {
      copy_file(from, to, name);
    } else if (S_ISLNK(status.st_mode)) {
      const std::string target = sys::readlinkat(from, name.c_str()) | or_throw("reading '{}'", name);
      sys::symlinkat(target.c_str(), to, name.c_str()) | or_throw("copying '{}'", name);
    } else {
      continue;
    }
    copy_owner_and_times(to, name, status);
  }
}

}  // namespace

void copy_up_tree(int from, int to) { copy_entries(from, to, 0); }

}  // namespace sandbox::userns
