// Garbage collection of the own store, in the process that removed an image, under the store's lock.
//
// Blobs of a pull that is still under way are reachable from no index yet: so only the removed image's blobs, and
// strays older than a day, are candidates. Layers are unpacked after their image was recorded: those that no image of
// the own or an additional store and no container needs go at once, by a rename into tmp/, so that no half-removed
// layer has its name.
#include <time.h>

#include <set>

#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/staging.h"

namespace sandbox::image {
namespace {

constexpr time_t stray_age = 24 * 60 * 60;

bool is_stray(const std::string& path) {
  const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
  return status && status->st_ctime + stray_age < ::time(nullptr);
}

void collect_blobs(const std::string& layout, const std::set<std::string>& reached, const std::vector<std::string>& removed) {
  const std::set<std::string> candidates(removed.begin(), removed.end());
  for (const std::string& name : list_directory(layout + "/blobs/sha256")) {
    const std::string digest = "sha256:" + name;
    const std::string path = fmt::format("{}/blobs/sha256/{}", layout, name);
    if (reached.contains(digest) || !(candidates.contains(digest) || is_stray(path))) continue;
    userns::remove_tree_of_all_ids(path);
  }
}

/// Hex names of the layers that images of `layout` need.
void add_layers(const std::string& layout, const std::vector<IndexEntry>& entries, std::set<std::string>& needed) {
  for (const IndexEntry& entry : entries) {
    for (const std::string& chain : chain_ids(read_image(layout, entry).diff_ids)) needed.insert(chain.substr(7));
  }
}

/// A removed layer is somewhere below tmp/ at once, where the next sweep finds it if we are killed.
void collect_layers(const Places& places, const std::set<std::string>& needed, const std::vector<ImageUser>& users) {
  const std::string layers = places.data + "/layers";
  std::set<std::string> in_use;
  for (const ImageUser& user : users) in_use.insert(user.layers.begin(), user.layers.end());
  for (const std::string& name : list_directory(layers)) {
    const std::string chain = name.substr(0, name.find('.'));
    if (!is_hex(chain, 64) || (name != chain && name != chain + ".ids")) continue;  // not of our making
    const bool wanted = needed.contains(chain);  // in either form
    const std::string path = layers + "/" + name;
    if (wanted || in_use.contains(path + "/fs")) continue;
    const Staged doomed(fmt::format("{}/tmp/{}", places.data, random_hex(16)));
    sys::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, doomed.path().c_str()) | or_throw("removing layer '{}'", path);
  }
}

}  // namespace

void collect_garbage(const Places& places, const std::vector<IndexEntry>& kept, const std::vector<std::string>& removed,
                     const std::vector<ImageUser>& users) {
  const std::string layout = own_layout(places);
  std::set<std::string> reached, needed;
  for (const IndexEntry& entry : kept) {
    for (std::string& digest : reachable_blobs(layout, entry.manifest)) reached.insert(std::move(digest));
  }
  // Who needs which layer is written in the blobs: those go last.
  add_layers(layout, kept, needed);
  for (const std::string& store : places.additional_stores) {
    add_layers(store + "/images", read_index(store + "/images"), needed);
  }
  collect_layers(places, needed, users);
  collect_blobs(layout, reached, removed);
  sweep_staging(places.data);
}

}  // namespace sandbox::image
