// See tree_digest.h. The order is that of the names' bytes, so that it is the same on every file system.
#include "fuse-overlay/store/tree_digest.h"

#include <vector>

#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/merged_layers.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

class TreeDigest {
 public:
  TreeDigest(DigestOf what, bool owners) : what_(what), owners_(owners) {}

  std::string run(int directory) {
    walk(directory, "", 0);
    return digest_.finish();
  }

 private:
  void walk(int directory, const std::string& path, std::size_t depth) {
    if (depth > kMaxDepth) throw InvalidInput(fmt::format("'{}' is too deep", printable(path)));
    for (const std::string& name : sorted_names(directory)) {
      const std::string whole = path.empty() ? name : path + "/" + name;
      const struct stat status =
          sys::fstatat(directory, name.c_str(), AT_SYMLINK_NOFOLLOW) | or_throw("reading '{}'", printable(whole));
      add_metadata(whole, status);
      if (S_ISLNK(status.st_mode))
        add(sys::readlinkat(directory, name.c_str()) | or_throw("reading link '{}'", printable(whole)));
      if (S_ISREG(status.st_mode) && what_ == DigestOf::content) add_content(directory, name, whole);
      if (!S_ISDIR(status.st_mode)) continue;
      const Fd child = sys::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW) |
                       or_throw("opening '{}'", printable(whole));
      walk(child.get(), whole, depth + 1);
    }
  }

  void add(const std::string& text) { digest_.update(text.c_str(), text.size() + 1); }

  void add_metadata(const std::string& path, const struct stat& status) {
    add(path);
    const bool sized = S_ISREG(status.st_mode);
    add(fmt::format("{:o} {} {}.{:09}", status.st_mode, sized ? status.st_size : 0, status.st_mtim.tv_sec,
                    status.st_mtim.tv_nsec));
    if (owners_) add(fmt::format("{}:{}", status.st_uid, status.st_gid));
  }

  void add_content(int directory, const std::string& name, const std::string& path) {
    const Fd file =
        sys::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW) | or_throw("opening '{}'", printable(path));
    buffer_.resize(256U << 10);
    for (;;) {
      const std::size_t count =
          sys::read(file.get(), buffer_.data(), buffer_.size()) | or_throw("reading '{}'", printable(path));
      if (count == 0) return;
      digest_.update(buffer_.data(), count);
    }
  }

  DigestOf what_;
  bool owners_;
  Sha256 digest_;
  std::vector<std::byte> buffer_;
};

}  // namespace

std::string tree_digest(int directory, DigestOf what, bool owners) { return TreeDigest(what, owners).run(directory); }

}  // namespace sandbox::overlay
