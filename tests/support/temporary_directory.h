// A directory for one test case, which is gone with it.
#pragma once

#include <errno.h>
#include <stdlib.h>

#include <string>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

namespace sandbox::testing {

class TemporaryDirectory {
 public:
  /// `parent`: /var/tmp is on a disk, with extended attributes, where /tmp may be a tmpfs.
  explicit TemporaryDirectory(const std::string& parent = "/tmp") : path_(parent + "/sandbox-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw SysError(Errno{errno}, "making a temporary directory");
  }
  ~TemporaryDirectory() { remove_tree(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sandbox::testing
