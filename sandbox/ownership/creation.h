// What a call is about that makes an object.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "sandbox/ownership/question.h"

namespace sandbox::ownership {

/// The parts of a path whose last one is to be made: where, and what. No name: it ends in a slash, or is empty.
struct Split {
  std::string directory, name;
};
Split split(const std::string& path);

struct Creation {
  int base = 0;  ///< A descriptor of the caller's, or AT_FDCWD.
  std::string path;
  mode_t type = 0;  ///< S_IFREG and so on.
  mode_t mode = 0;  ///< Permission bits, with those of the umask.
  int flags = 0;    ///< Of a file that is opened. With O_TMPFILE `path` is the directory.
  bool opens = false;
  std::string target;  ///< Of a symbolic link.
};

/// None: the call makes no object of a new name, or one that the kernel alone can make, or its arguments are no good.
std::optional<Creation> read_creation(const Question& question);

}  // namespace sandbox::ownership
