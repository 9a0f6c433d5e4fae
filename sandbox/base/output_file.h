// A file that the user named for a result.
#pragma once

#include <string>

#include "sandbox/base/fd.h"

namespace sandbox {

/// It gets its name when it is whole and on the disk. What is there and is no regular file, such as a device, is
/// written to as it is.
class OutputFile {
 public:
  explicit OutputFile(std::string path);  ///< Throws SysError.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  int fd() const { return file_.get(); }
  void finish();  ///< Throws SysError.

 private:
  std::string path_, unfinished_;
  Fd file_;
};

}  // namespace sandbox
