#include "sandbox/image/staging.h"

#include <errno.h>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "userns/kept_namespace.h"

namespace sandbox::image {
namespace {

constexpr int attempts = 8;
constexpr std::size_t area_digits = 16;

/// Locks the area and returns the locked file; none when another process has it, or has just removed it.
Fd lock_area(const std::string& area) {
  const std::string path = area + "/lock";
  auto file = sys::openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (!file || ::fcntl(file->get(), F_OFD_SETLK, &whole) < 0) return {};
  const auto status = sys::fstat(file->get());
  if (!status || status->st_nlink == 0) return {};
  return std::move(*file);
}

}  // namespace

WritersLock::WritersLock(const std::string& data, Mode mode) {
  const std::string path = data + "/images/.writers";
  if (mode == Mode::shared) make_directories(data + "/images");
  auto file = sys::openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!file && mode == Mode::exclusive && !path_exists(path)) {
    held_ = true;  // nobody writes yet, and on a full disk it can't be made
    return;
  }
  file_ = std::move(file) | or_throw("opening lock '{}'", path);
  struct flock whole {};
  whole.l_type = mode == Mode::shared ? F_RDLCK : F_WRLCK;
  whole.l_whence = SEEK_SET;
  int status = 0;
  do {
    status = ::fcntl(file_.get(), mode == Mode::shared ? F_OFD_SETLKW : F_OFD_SETLK, &whole);
  } while (status < 0 && errno == EINTR);
  held_ = status == 0;
  if (!held_ && errno != EAGAIN && errno != EACCES) throw SysError(Errno{errno}, fmt::format("locking '{}'", path));
}

StagingArea::StagingArea(const std::string& data) : writers_(data, WritersLock::Mode::shared) {
  make_directories(data + "/tmp");
  sweep_staging(data);
  // Between its making and its locking another process may take the directory for left over.
  for (int attempt = 0; attempt < attempts && !lock_; ++attempt) {
    path_ = fmt::format("{}/tmp/{}", data, random_hex(area_digits));
    sys::mkdirat(AT_FDCWD, path_.c_str(), 0700) | or_throw("creating '{}'", path_);
    lock_ = lock_area(path_);
  }
  if (!lock_) throw Error(fmt::format("'{}' can't be locked", path_), "does its file system have locks (fcntl(2))?");
}

StagingArea::~StagingArea() {
  try {
    userns::remove_tree_of_all_ids(path_);
  } catch (const std::exception&) {
    // the next process that stages something takes what could not be removed now
  }
}

std::string StagingArea::new_path() const { return path_ + "/" + random_hex(16); }

void sweep_staging(const std::string& data) {
  for (const std::string& name : list_directory(data + "/tmp")) {
    if (!is_hex(name, area_digits)) continue;  // not of our making
    const std::string area = fmt::format("{}/tmp/{}", data, name);
    const Fd lock = lock_area(area);
    if (!lock) continue;
    try {
      userns::remove_tree_of_all_ids(area);
    } catch (const Error&) {
      // the next sweep tries again
    }
  }
}

}  // namespace sandbox::image
