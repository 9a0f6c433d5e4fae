// Reading directories. Any process.
#pragma once

#include <string>
#include <vector>

namespace sandbox {

/// Names of the entries of a directory without "." and ".."; none when it is absent. Throws SysError.
std::vector<std::string> list_directory(const std::string& path);

}  // namespace sandbox
