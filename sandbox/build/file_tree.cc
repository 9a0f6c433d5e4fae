// See file_tree.h.
#include "sandbox/build/file_tree.h"

#include <deque>

#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

namespace sandbox::build {
namespace {

using overlay::MergedLayers;

constexpr int kMostLinks = 40;  // as the kernel (path_resolution(7))

std::string join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

std::string parent(const std::string& path) { return std::string(overlay::parent_of(path)); }
std::string leaf(const std::string& path) { return std::string(overlay::leaf_of(path)); }

void push_front(std::deque<std::string>& names, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (!part.empty() && part != ".") parts.emplace_back(part);
  }
  names.insert(names.begin(), parts.begin(), parts.end());
}

}  // namespace

FileTree::FileTree(std::vector<std::string> directories, bool recorded) : layers_(std::move(directories)) {
  for (std::size_t layer = 0; recorded && layer < layers_.size(); ++layer) records_.emplace_back(layers_.fs(layer));
}

/// Of a directory that exists.
MergedLayers::Parts FileTree::parts(const std::string& path) {
  if (path.empty()) return layers_.root();
  const auto known = parts_.find(path);
  if (known != parts_.end()) return known->second;
  MergedLayers::Parts found = open(parent(path)).parts_of(leaf(path));
  if (found.empty()) throw InvalidInput(fmt::format("'/{}' is not a directory", overlay::printable(path)));
  return parts_.emplace(path, std::move(found)).first->second;
}

MergedLayers::Directory& FileTree::open(const std::string& path) {
  if (open_ && open_path_ == path) return *open_;
  const MergedLayers::Parts wanted = parts(path);
  open_.emplace(layers_.open(path, wanted));
  open_path_ = path;
  return *open_;
}

std::optional<FileTree::Seen> FileTree::find(const std::string& path) {
  if (path.empty()) {
    const auto root = layers_.root();
    if (root.empty()) return {};
    return Seen{root.front(), sys::fstat(open("").of(root.front())) | or_throw("reading a tree's root")};
  }
  if (const auto seen = open(parent(path)).find(leaf(path))) return seen;
  const auto devices = list(parent(path));
  const auto device = devices.find(leaf(path));
  return device == devices.end() ? std::nullopt : std::optional(device->second);
}

std::map<std::string, FileTree::Seen> FileTree::list(const std::string& path) {
  const MergedLayers::Parts in = parts(path);
  const MergedLayers::Directory& directory = open(path);
  auto found = directory.entries();
  for (const std::size_t layer : records_.empty() ? MergedLayers::Parts{} : in) {
    for (const std::string& name : records_[layer].devices_in(path)) {
      if (!directory.hides(name, layer)) found.try_emplace(name, Seen{layer, {}});
    }
  }
  return found;
}

std::string FileTree::link_target(const std::string& path, const Seen& seen) {
  return sys::readlinkat(open(parent(path)).of(seen.layer), leaf(path).c_str()) |
         or_throw("reading link '/{}'", overlay::printable(path));
}

FileTree::Place FileTree::resolve(std::string_view path, bool follow_last) {
  std::deque<std::string> names;
  push_front(names, path);
  Place place{"", find("")};
  for (int links = 0; !names.empty();) {
    const std::string name = names.front();
    names.pop_front();
    if (name == "..") {
      place.path = parent(place.path);
      place.seen = place.seen || place.path.empty() ? find(place.path) : std::nullopt;
      continue;
    }
    const std::string next = join(place.path, name);
    if (next.size() >= PATH_MAX) throw InvalidInput(fmt::format("'{}' is too long", overlay::printable(path)));
    if (place.seen && !place.is_directory()) {
      throw InvalidInput(fmt::format("'/{}' is not a directory", overlay::printable(place.path)));
    }
    const auto seen = place.seen ? find(next) : std::nullopt;
    if (seen && S_ISLNK(seen->status.st_mode) && (follow_last || !names.empty())) {
      if (++links > kMostLinks) throw InvalidInput(fmt::format("'{}': too many levels of symbolic links", path));
      const std::string target = link_target(next, *seen);
      push_front(names, target);
      if (target.starts_with('/')) place = {"", find("")};
      continue;
    }
    place = {next, seen};
  }
  return place;
}

overlay::ObjectAt FileTree::object(const std::string& path, const Seen& seen) {
  if (path.empty()) return {open("").of(seen.layer), ".", path, seen.status};
  return {open(parent(path)).of(seen.layer), leaf(path), path, seen.status};
}

std::optional<overlay::ObjectRecord> FileTree::record(const std::string& path, const Seen& seen) {
  if (records_.empty()) return {};
  const overlay::ObjectRecord* const found = records_[seen.layer].find(path);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

std::vector<std::string> FileTree::directories_of(const std::string& path) {
  std::vector<std::string> found;
  for (const std::size_t layer : parts(path)) {
    found.push_back(path.empty() ? layers_.fs(layer) : layers_.fs(layer) + "/" + path);
  }
  return found;
}

}  // namespace sandbox::build
