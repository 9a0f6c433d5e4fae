// A folder for one input of a fuzz target: a directory that the input is unpacked into, and a witness beside it.
#pragma once

#include <fcntl.h>
#include <stdlib.h>

#include <string>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "target.h"

namespace sandbox::fuzz {

class Scratch {
 public:
  Scratch() {
    std::string pattern = "/var/tmp/fuzz-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
    make_directories(path_ + "/into");
    write_file_atomic(path_ + "/witness", "alive", false);
  }
  ~Scratch() { remove_tree(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// `flags`: O_PATH, or O_RDONLY to have its entries read.
  Fd into(int flags) const {
    return sys::openat(AT_FDCWD, (path_ + "/into").c_str(), flags | O_DIRECTORY) | or_throw("opening the directory");
  }
  bool untouched() const { return read_file(path_ + "/witness") == "alive"; }

 private:
  std::string path_;
};

}  // namespace sandbox::fuzz
