// Garbage collection of the own store: what neither a name in an index nor a container reaches. Runs in the process
// that removes an image, under the store's lock.
//
// Blobs go when nobody is at work on some that no index reaches yet (staging.h). Layers are unpacked after their image
// was recorded: those that no image of the own or an additional store and no container needs go at once, by a rename
// into tmp/, so that no half-removed layer has its name. Nothing is written before the first unlink.
#include <optional>
#include <set>

#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/staging.h"
#include "sandbox/image/step_records.h"

namespace sandbox::image {
namespace {

using Names = std::set<std::string>;

/// Digests that the entries reach; none when that can't be known, since a manifest is damaged: then all blobs stay.
std::optional<Names> reached_blobs(const std::string& layout, const std::vector<IndexEntry>& entries) {
  Names reached;
  try {
    for (const IndexEntry& entry : entries) {
      for (std::string& digest : reachable_blobs(layout, entry.manifest)) reached.insert(std::move(digest));
    }
  } catch (const Error&) {
    return {};
  }
  return reached;
}

/// Layers that builds have made or used.
void add_recorded(const std::vector<StepRecord>& records, Names& blobs, Names& layers) {
  for (const StepRecord& record : records) {
    for (const Descriptor& layer : record.layers) blobs.insert(layer.digest);
    for (const std::string& chain : chain_ids(record.diff_ids)) layers.emplace(hex_of(chain));
  }
}

/// Hex names of the layers that images of `layout` need. Those of a damaged image can be unpacked again, if it ever is
/// repaired.
void add_layers(const std::string& layout, const std::vector<IndexEntry>& entries, Names& needed) {
  for (const IndexEntry& entry : entries) {
    try {
      for (const std::string& chain : chain_ids(read_image(layout, entry).diff_ids)) needed.emplace(hex_of(chain));
    } catch (const Error&) {
      continue;
    }
  }
}

Names needed_layers(const Places& places, const std::vector<IndexEntry>& kept) {
  Names needed;
  add_layers(own_layout(places), kept, needed);
  for (const std::string& store : places.additional_stores) {
    try {
      add_layers(store + "/images", read_index(store + "/images"), needed);
    } catch (const Error&) {
      continue;
    }
  }
  return needed;
}

}  // namespace

Garbage find_garbage(const Places& places, const std::vector<IndexEntry>& kept, const std::vector<ImageUser>& users) {
  Garbage garbage;
  Names recorded, needed = needed_layers(places, kept);
  add_recorded(StepRecords(places).list(), recorded, needed);
  if (const auto reached = reached_blobs(own_layout(places), kept)) {
    for (const std::string& name : blob_names(own_layout(places))) {
      std::string digest = digest_of_blob(name);
      if (digest.empty() || reached->contains(digest) || recorded.contains(digest)) continue;
      garbage.blobs.push_back(std::move(digest));
    }
  }
  Names in_use;
  for (const ImageUser& user : users) in_use.insert(user.layers.begin(), user.layers.end());
  for (const std::string& name : list_directory(places.data + "/layers")) {
    const std::string chain = name.substr(0, name.find('.'));
    if (digest_with_hex(chain).empty() || (name != chain && name != chain + ".ids")) continue;  // not of our making
    const std::string fs = fmt::format("{}/layers/{}/fs", places.data, name);
    if (!needed.contains(chain) && !in_use.contains(fs)) garbage.layers.push_back(name);
  }
  return garbage;
}

std::uint64_t collect_garbage(const Places& places, const std::vector<IndexEntry>& kept,
                              const std::vector<ImageUser>& users) {
  const Garbage garbage = find_garbage(places, kept, users);
  std::uint64_t freed = 0;
  // Who needs which layer is written in the blobs: those go last.
  for (const std::string& name : garbage.layers) {
    const std::string path = fmt::format("{}/layers/{}", places.data, name);
    freed += layer_bytes(path);
    // Somewhere below tmp/ at once, where the next sweep finds it if we are killed.
    const Staged doomed(fmt::format("{}/tmp/{}", places.data, random_hex(16)));
    sys::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, doomed.path().c_str()) | or_throw("removing layer '{}'", path);
  }
  if (const WritersLock alone(places.data, WritersLock::Mode::exclusive); alone.held()) {
    for (const std::string& digest : garbage.blobs) {
      const std::string path = blob_in(own_layout(places), digest);
      freed += file_bytes(path);
      userns::remove_tree_of_all_ids(path);
    }
  }
  sweep_staging(places.data);
  return freed;
}

std::uint64_t file_bytes(const std::string& path) {
  const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
  return status ? static_cast<std::uint64_t>(status->st_size) : 0;
}

std::uint64_t layer_bytes(const std::string& layer) {
  try {
    return parse_json(read_file(layer + "/meta.json"), "meta.json").value("bytes", std::uint64_t{0});
  } catch (const std::exception&) {
    return 0;
  }
}

}  // namespace sandbox::image
