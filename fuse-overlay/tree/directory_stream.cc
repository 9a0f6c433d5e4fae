#include "fuse-overlay/tree/directory_stream.h"

#include <errno.h>

#include "fuse-overlay/tree/overlay.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {

Result<DirectoryStream> open_stream(int directory, const char* name) noexcept {
  auto opened = sys::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened) return std::unexpected(opened.error());
  DirectoryStream stream(::fdopendir(opened->get()));
  if (!stream) return std::unexpected(Errno{errno});
  opened->release();
  return stream;
}

std::vector<std::string> names_in(int directory, const char* name) {
  const DirectoryStream stream = check(open_stream(directory, name));
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) throw Failure{errno};
    if (entry == nullptr) return names;
    if (!is_dot(entry->d_name)) names.emplace_back(entry->d_name);
  }
}

}  // namespace sandbox::overlay
