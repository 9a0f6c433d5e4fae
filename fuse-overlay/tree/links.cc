#include "fuse-overlay/tree/links.h"

#include "fuse-overlay/tree/directory_stream.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

/// A directory that is being read costs a descriptor.
constexpr std::size_t kDeepest = 256;

struct Level {
  DirectoryStream stream;
  std::string path;  ///< Empty, or with a slash at its end.
};

}  // namespace

void LayerLinks::read(int root) {
  const auto top = sys::fstat(root);
  std::vector<Level> levels;
  if (auto stream = open_stream(root, ".")) levels.push_back({std::move(*stream), ""});
  while (top && !levels.empty()) {
    const dirent* entry = ::readdir(levels.back().stream.get());
    if (entry == nullptr) {
      levels.pop_back();
      continue;
    }
    const std::string name = entry->d_name;
    if (is_dot(name)) continue;
    const int directory = ::dirfd(levels.back().stream.get());
    const auto status = sys::fstatat(directory, name.c_str(), AT_SYMLINK_NOFOLLOW);
    if (!status || status->st_dev != top->st_dev) continue;
    const std::string path = levels.back().path + name;
    if (!S_ISDIR(status->st_mode)) {
      if (status->st_nlink > 1) names_[status->st_ino].push_back(path);
    } else if (levels.size() < kDeepest) {
      if (auto stream = open_stream(directory, name.c_str())) levels.push_back({std::move(*stream), path + "/"});
    }
  }
}

const std::vector<std::string>& LayerLinks::names_of(int root, ino_t number) {
  std::call_once(read_once_, [this, root] { read(root); });
  static const std::vector<std::string> none;
  const auto found = names_.find(number);
  return found == names_.end() ? none : found->second;
}

}  // namespace sandbox::overlay
