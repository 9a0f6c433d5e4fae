// What the own store holds, and for whom. Readers take no lock: what goes meanwhile counts as nothing.
#include <algorithm>
#include <map>
#include <set>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/step_records.h"

namespace sandbox::image {
namespace {

using Parts = std::map<std::string, std::uint64_t>;  ///< Path to bytes: blobs and unpacked layers.

Parts all_parts(const Places& places) {
  Parts parts;
  const std::string layout = own_layout(places), layers = places.data + "/layers";
  for (const std::string& name : blob_names(layout)) parts[layout + "/" + name] = file_bytes(layout + "/" + name);
  for (const std::string& name : list_directory(layers)) parts[layers + "/" + name] = layer_bytes(layers + "/" + name);
  return parts;
}

std::set<std::string> parts_of(const Places& places, const std::vector<Descriptor>& layers,
                               const std::vector<std::string>& diff_ids, const Parts& all) {
  std::set<std::string> parts;
  const auto add = [&](const std::string& path) {
    if (all.contains(path)) parts.insert(path);
  };
  for (const Descriptor& layer : layers) add(blob_in(own_layout(places), layer.digest));
  for (const std::string& chain : chain_ids(diff_ids)) {
    for (const char* suffix : {"", ".ids"}) add(fmt::format("{}/layers/{}{}", places.data, hex_of(chain), suffix));
  }
  return parts;
}

std::set<std::string> parts_of(const Places& places, const Image& image, const Parts& all) {
  std::set<std::string> parts = parts_of(places, image.layers, image.diff_ids, all);
  for (const std::string& digest : {image.manifest.digest, image.config.digest}) {
    const std::string path = blob_in(own_layout(places), digest);
    if (all.contains(path)) parts.insert(path);
  }
  return parts;
}

/// Of the step's own layer.
std::set<std::string> own_parts_of(const Places& places, const StepRecord& record, const Parts& all) {
  if (!record.own_layer || record.layers.empty()) return {};
  std::set<std::string> own = parts_of(places, record.layers, record.diff_ids, all);
  const std::vector<Descriptor> layers(record.layers.begin(), record.layers.end() - 1);
  const std::vector<std::string> diff_ids(record.diff_ids.begin(), record.diff_ids.end() - 1);
  for (const std::string& below : parts_of(places, layers, diff_ids, all)) own.erase(below);
  return own;
}

}  // namespace

std::vector<StepUsage> step_usage(const Places& places) {
  const Parts all = all_parts(places);
  std::set<std::string> of_images;
  for (const Image& image : ImageStore(places).list()) of_images.merge(parts_of(places, image, all));
  std::vector<StepUsage> usage;
  for (StepRecord& record : StepRecords(places).list()) {
    StepUsage& one = usage.emplace_back();
    for (const std::string& part : own_parts_of(places, record, all)) {
      one.bytes += all.at(part);
      one.shared |= of_images.contains(part);
    }
    one.record = std::move(record);
  }
  return usage;
}

std::vector<std::uint64_t> ImageStore::sizes(const std::vector<Image>& images) const {
  Parts counted;
  const auto bytes_of = [&](const std::string& path, std::uint64_t (*count)(const std::string&)) {
    const auto [part, is_new] = counted.emplace(path, 0);
    if (is_new) part->second = count(path);
    return part->second;
  };
  std::vector<std::string> stores{places_.data};
  stores.insert(stores.end(), places_.additional_stores.begin(), places_.additional_stores.end());
  std::vector<std::uint64_t> sizes;
  for (const Image& image : images) {
    std::uint64_t bytes = bytes_of(blob_in(image.layout, image.manifest.digest), file_bytes) +
                          bytes_of(blob_in(image.layout, image.config.digest), file_bytes);
    std::set<std::string> layers;
    for (const Descriptor& layer : image.layers) layers.insert(layer.digest);
    for (const std::string& digest : layers) bytes += bytes_of(blob_in(image.layout, digest), file_bytes);
    for (const std::string& chain : chain_ids(image.diff_ids)) {
      for (const std::string& store : stores) {
        for (const char* suffix : {"", ".ids"})
          bytes += bytes_of(fmt::format("{}/layers/{}{}", store, chain.substr(7), suffix), layer_bytes);
      }
    }
    sizes.push_back(bytes);
  }
  return sizes;
}

StoreUsage ImageStore::usage(const std::vector<ImageUser>& users) const {
  const Parts all = all_parts(places_);
  StoreUsage usage;
  std::set<std::string> active;
  std::map<std::string, std::set<std::string>> owners;  // of each part: ids of images
  std::vector<Image> images = list();
  const std::vector<std::uint64_t> whole = sizes(images);
  for (std::size_t i = 0; i < images.size(); ++i) {
    ImageUsage one{std::move(images[i]), whole[i], 0, 0, 0};
    one.containers = static_cast<std::size_t>(std::ranges::count_if(
        users, [&](const ImageUser& user) { return user.mount.empty() && user.image_id == one.image.id(); }));
    const auto parts = parts_of(places_, one.image, all);
    for (const std::string& part : parts) owners[part].insert(one.image.id());
    if (one.containers > 0) active.insert(parts.begin(), parts.end());
    usage.images.push_back(std::move(one));
  }
  for (ImageUsage& one : usage.images) {
    for (const std::string& part : parts_of(places_, one.image, all)) {
      (owners[part].size() > 1 ? one.shared : one.unique) += all.at(part);
    }
  }
  for (const ImageUser& user : users) {
    for (const std::string& fs : user.layers) active.insert(fs.substr(0, fs.rfind("/fs")));
  }
  std::set<std::string> cached;
  for (const StepRecord& record : StepRecords(places_).list()) {
    ++usage.steps;
    for (const std::string& part : parts_of(places_, record.layers, record.diff_ids, all)) {
      if (!owners.contains(part) && !active.contains(part)) cached.insert(part);
    }
  }
  for (const auto& [path, bytes] : all) {
    (cached.contains(path) ? usage.cached : usage.total) += bytes;
    if (cached.contains(path)) continue;
    if (!active.contains(path)) usage.reclaimable += bytes;
  }
  return usage;
}

}  // namespace sandbox::image
