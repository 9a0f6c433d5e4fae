#include "fuse-overlay/store/changes.h"

#include <algorithm>

#include "fuse-overlay/store/entry_path.h"
#include "fuse-overlay/store/merged_layers.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

/// Looks at the lower layers by name, and lists them only where an upper directory hides them.
class Comparison {
 public:
  Comparison(MergedLayers lower, std::vector<Change>& changes) : lower_(std::move(lower)), changes_(changes) {}

  void run(int upper) { compare(upper, lower_.root(), "", 0); }

 private:
  struct Subdirectory {
    std::string name;
    MergedLayers::Parts below;
  };

  /// Adds what the directory `upper` changes of the lower layers' `parts`.
  void compare(int upper, const MergedLayers::Parts& parts, const std::string& path, std::size_t depth) {
    if (depth > kMaxDepth) throw InvalidInput(fmt::format("'{}' is too deep", printable(path)));
    const std::string prefix = path.empty() ? "" : path + "/";
    for (const Subdirectory& next : compare_entries(upper, lower_.open(path, parts), prefix)) {
      const Fd directory = sys::openat(upper, next.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW) |
                           or_throw("opening '{}' of a layer", printable(prefix + next.name));
      compare(directory.get(), next.below, prefix + next.name, depth + 1);
    }
  }

  std::vector<Subdirectory> compare_entries(int upper, const MergedLayers::Directory& below,
                                            const std::string& prefix) {
    std::vector<Subdirectory> subdirectories;
    const std::vector<std::string> names = sorted_names(upper);
    for (const std::string& name : names) {
      const auto status = sys::fstatat(upper, name.c_str(), AT_SYMLINK_NOFOLLOW);
      if (!status && status.error().value == ENOENT) continue;  // removed meanwhile
      if (!status) throw SysError(status.error(), fmt::format("reading '{}' of a layer", printable(prefix + name)));
      const auto old = below.find(name);
      if (is_whiteout(upper, name.c_str(), *status)) {
        if (old) changes_.push_back({ChangeKind::deleted, prefix + name});
        continue;
      }
      changes_.push_back({old ? ChangeKind::changed : ChangeKind::added, prefix + name});
      if (!S_ISDIR(status->st_mode)) continue;
      subdirectories.push_back(
          {name, old && S_ISDIR(old->status.st_mode) ? below.parts_of(name) : MergedLayers::Parts{}});
    }
    if (is_opaque(upper)) {
      for (const auto& [name, entry] : below.entries()) {
        if (!std::ranges::binary_search(names, name)) changes_.push_back({ChangeKind::deleted, prefix + name});
      }
    }
    return subdirectories;
  }

  MergedLayers lower_;
  std::vector<Change>& changes_;
};

}  // namespace

std::vector<Change> changes_of(const std::vector<std::string>& lower, const std::string& upper) {
  const Fd top = sys::openat(AT_FDCWD, upper.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening layer '{}'", upper);
  std::vector<Change> changes;
  Comparison(MergedLayers(lower), changes).run(top.get());
  std::ranges::sort(changes, {}, &Change::path);
  return changes;
}

}  // namespace sandbox::overlay
