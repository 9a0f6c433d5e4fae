// A folder for one input of a fuzz target: a directory that the input is unpacked into, and a witness beside it.
#pragma once

#include <fcntl.h>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "target.h"
#include "tests/support/temporary_directory.h"

namespace sandbox::fuzz {

class Scratch {
 public:
  Scratch() {
    make_directories(directory_.path() + "/into");
    write_file_atomic(directory_.path() + "/witness", "alive", false);
  }

  /// `flags`: O_PATH, or O_RDONLY to have its entries read.
  Fd into(int flags) const {
    return sys::openat(AT_FDCWD, (directory_.path() + "/into").c_str(), flags | O_DIRECTORY) |
           or_throw("opening the directory");
  }
  bool untouched() const { return read_file(directory_.path() + "/witness") == "alive"; }

 private:
  testing::TemporaryDirectory directory_{"/var/tmp"};
};

}  // namespace sandbox::fuzz
