#include "sandbox/base/directory.h"

#include <dirent.h>
#include <errno.h>

#include <memory>
#include <string_view>

#include "sandbox/base/error.h"

namespace sandbox {

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(path.c_str()), ::closedir);
  if (!stream) {
    if (errno == ENOENT) return names;
    throw SysError(Errno{errno}, fmt::format("reading '{}'", path));
  }
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

}  // namespace sandbox
