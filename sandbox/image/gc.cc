// Garbage collection of the own store, in the process that removed an image, under the store's lock.
//
// Blobs of a pull that is still under way are reachable from no index yet: so only the removed image's blobs, and
// strays older than a day, are candidates. Layers are unpacked after their image was recorded: those that no image of
// the own or an additional store needs go at once, by a rename into tmp/, so that no half-removed layer has its name.
#include <dirent.h>
#include <time.h>

#include <memory>
#include <set>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"
#include "userns/kept_namespace.h"

namespace sandbox::image {
namespace {

constexpr time_t stray_age = 24 * 60 * 60;

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  if (!stream) return names;
  while (const dirent* entry = ::readdir(stream.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

bool is_stray(const std::string& path) {
  const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
  return status && status->st_ctime + stray_age < ::time(nullptr);
}

void collect_blobs(const std::string& layout, const std::set<std::string>& reached, const std::vector<std::string>& removed) {
  const std::set<std::string> candidates(removed.begin(), removed.end());
  for (const std::string& name : names_in(layout + "/blobs/sha256")) {
    const std::string digest = "sha256:" + name;
    const std::string path = fmt::format("{}/blobs/sha256/{}", layout, name);
    if (reached.contains(digest) || !(candidates.contains(digest) || is_stray(path))) continue;
    userns::remove_tree_of_all_ids(path);
  }
}

/// Hex names of the layers that images of `layout` need.
void add_layers(const std::string& layout, std::set<std::string>& needed) {
  for (const IndexEntry& entry : read_index(layout)) {
    for (const std::string& chain : chain_ids(read_image(layout, entry).diff_ids)) needed.insert(chain.substr(7));
  }
}

void collect_layers(const Places& places, const std::set<std::string>& needed) {
  const std::string layers = places.data + "/layers";
  for (const std::string& name : names_in(layers)) {
    if (needed.contains(name.substr(0, name.find('.')))) continue;  // in either form
    const std::string path = layers + "/" + name;
    const Staged doomed(fmt::format("{}/tmp/image-{}", places.data, name));
    sys::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, doomed.path().c_str()) | or_throw("removing layer '{}'", path);
  }
}

}  // namespace

void collect_garbage(const Places& places, const std::vector<std::string>& removed) {
  const std::string layout = own_layout(places);
  std::set<std::string> reached, needed;
  for (const IndexEntry& entry : read_index(layout)) {
    for (std::string& digest : reachable_blobs(layout, entry.manifest)) reached.insert(std::move(digest));
  }
  collect_blobs(layout, reached, removed);
  for (const std::string& name : names_in(places.data + "/tmp")) {
    const std::string path = places.data + "/tmp/" + name;
    if (name.starts_with("image-") && is_stray(path)) userns::remove_tree_of_all_ids(path);
  }
  add_layers(layout, needed);
  for (const std::string& store : places.additional_stores) add_layers(store + "/images", needed);
  collect_layers(places, needed);
}

}  // namespace sandbox::image
