#include "sandbox/base/output_file.h"

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"

namespace sandbox {

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  const auto there = sys::fstatat(AT_FDCWD, path_.c_str(), 0);
  const bool plain = !there || S_ISREG(there->st_mode);
  if (plain) unfinished_ = path_ + "." + random_hex(16) + ".tmp";
  const std::string& name = plain ? unfinished_ : path_;
  file_ = sys::openat(AT_FDCWD, name.c_str(), O_WRONLY | O_CREAT | (plain ? O_EXCL : 0), 0666) |
          or_throw("creating '{}'", path_);
}

OutputFile::~OutputFile() {
  if (!unfinished_.empty()) (void)sys::unlinkat(AT_FDCWD, unfinished_.c_str(), 0);
}

void OutputFile::finish() {
  if (unfinished_.empty()) return;
  sys::fsync(file_.get()) | or_throw("syncing '{}'", path_);
  sys::renameat2(AT_FDCWD, unfinished_.c_str(), AT_FDCWD, path_.c_str()) | or_throw("naming '{}'", path_);
  unfinished_.clear();
}

}  // namespace sandbox
