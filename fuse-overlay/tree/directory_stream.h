// Reading directories of one layer.
#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <vector>

#include "sandbox/base/error.h"

namespace sandbox::overlay {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

/// The directory `name`, which is no symbolic link, below the open one.
Result<DirectoryStream> open_stream(int directory, const char* name) noexcept;

inline bool is_dot(std::string_view name) { return name == "." || name == ".."; }

/// Names but "." and "..". Throws Failure.
std::vector<std::string> names_in(int directory, const char* name);

}  // namespace sandbox::overlay
