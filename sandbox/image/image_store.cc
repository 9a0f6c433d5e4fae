// The image store: names in index.json, content in blobs/. Runs in any process of the user; readers take no lock
// (index.json is replaced whole, blobs appear by rename), writers hold <data>/images/.lock.
#include "sandbox/image/image_store.h"

#include <errno.h>

#include <algorithm>
#include <optional>

#include "sandbox/base/digest.h"
#include "sandbox/base/events.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/registries_conf.h"
#include "sandbox/image/staging.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kMostDigits = 128;  // of SHA-512

std::vector<std::string> layouts(const Places& places) {
  std::vector<std::string> all = {own_layout(places)};
  for (const std::string& store : places.additional_stores) all.push_back(store + "/images");
  return all;
}

/// What the index of a layout names. One of another store that can't be read hides nothing but its own.
std::vector<IndexEntry> entries_of(const Places& places, const std::string& layout) {
  try {
    return read_index(layout);
  } catch (const Error&) {
    if (layout == own_layout(places)) throw;
    return {};
  }
}

/// True when `entry` is what `reference` names; a digest names a manifest of the same repository.
bool matches(const IndexEntry& entry, const Reference& reference) {
  if (entry.name == reference.canonical()) return true;
  if (reference.digest.empty() || entry.manifest.digest != reference.digest) return false;
  const auto named = try_parse_reference(entry.name);
  return named && named->registry == reference.registry && named->repository == reference.repository;
}

std::optional<NamedManifest> named_by(const Places& places, const Reference& name) {
  for (const std::string& layout : layouts(places)) {
    for (IndexEntry& entry : entries_of(places, layout)) {
      if (matches(entry, name)) return NamedManifest{layout, std::move(entry.name), std::move(entry.manifest)};
    }
  }
  return std::nullopt;
}

/// Images whose id starts with `prefix`, one for each entry. Unreadable images have no id and match nothing.
std::vector<Image> images_by_id(const Places& places, const std::string& layout, std::string_view prefix) {
  std::vector<Image> found;
  for (const IndexEntry& entry : entries_of(places, layout)) {
    try {
      Image image = read_image(layout, entry);
      if (hex_of(image.id()).starts_with(prefix)) found.push_back(std::move(image));
    } catch (const Error&) {
      continue;
    }
  }
  return found;
}

std::string id_prefix(const std::string& reference) {
  const std::string_view hex = hex_of(reference);
  const bool fits = !hex.empty() && hex.size() <= kMostDigits && is_hex(hex, hex.size());
  return std::string(fits ? hex : "");
}

/// What a removal takes from the index, and what stays.
struct Removal {
  bool by_name = false, last = true;  ///< `last`: no name of the image stays.
  std::vector<IndexEntry> kept, gone;
};

bool names_image(const std::string& reference, const Image& image) {
  if (!digest_with_hex(id_prefix(reference)).empty()) return false;
  const auto name = try_parse_reference(reference);
  return name && matches({image.name, image.manifest}, *name);
}

bool is_same_image(const IndexEntry& entry, const Image& image) {
  if (entry.manifest.digest == image.manifest.digest) return true;
  try {
    return read_image(image.layout, entry).id() == image.id();
  } catch (const Error&) {
    return false;
  }
}

Removal plan_removal(const Image& image, bool by_name) {
  Removal removal{by_name, true, {}, {}};
  for (IndexEntry& entry : read_index(image.layout)) {
    const bool same = is_same_image(entry, image);
    const bool goes = same && (!by_name || entry.name == image.name);
    if (same && !goes) removal.last = false;
    (goes ? removal.gone : removal.kept).push_back(std::move(entry));
  }
  return removal;
}

/// Docker's rules and words (moby daemon/images/image_delete.go): a name goes unless it is the last of an image in use,
/// which needs force; the image itself stays as long as a container of it runs.
void check_removal(const Removal& removal, const std::string& reference, const Image& image,
                   const std::vector<ImageUser>& users, bool force) {
  const std::string id(hex_of(image.id()).substr(0, 12));
  for (const ImageUser& user : users) {
    if (user.image_id != image.id() || (removal.by_name && (force || !removal.last))) continue;
    if (!user.mount.empty()) {
      throw Conflict(fmt::format("conflict: unable to remove {} - image is mounted at '{}'", reference, user.mount),
                     "unmount it: sandbox image unmount " + id);
    }
    if (removal.by_name) {
      throw Conflict(
          fmt::format("conflict: unable to remove repository reference \"{}\" (must force) - container {} is "
                      "using its referenced image {}",
                      reference, user.name, id));
    }
    if (user.running) {
      throw Conflict(fmt::format("conflict: unable to delete {} (cannot be forced) - image is being used by running "
                                 "container {}", id, user.name));
    }
    if (!force) {
      throw Conflict(fmt::format("conflict: unable to delete {} (must be forced) - image is being used by stopped "
                                 "container {}", id, user.name));
    }
  }
  if (!removal.by_name && !force && removal.gone.size() > 1) {
    throw Conflict(fmt::format("image '{}' has {} names", reference, removal.gone.size()),
                   "remove it by name, or use --force");
  }
}

/// The index first, so that no image ever lacks a blob; on a full disk the blobs first, to have room for the index.
/// Returns how many bytes are free now.
std::uint64_t commit_removal(const Places& places, const std::vector<IndexEntry>& kept,
                             const std::vector<ImageUser>& users) {
  try {
    write_index(own_layout(places), kept);
  } catch (const SysError& error) {
    if (error.code() != ENOSPC && error.code() != EDQUOT) throw;
    const std::uint64_t freed = collect_garbage(places, kept, users);
    write_index(own_layout(places), kept);
    return freed;
  }
  return collect_garbage(places, kept, users);
}

/// By what a short name stands for elsewhere than with Docker (registries.conf), which nobody pays for who names an
/// image that is here.
Image find_meaning(const Places& places, const std::string& reference) {
  const auto meanings = [&]() -> std::vector<Reference> {
    if (!try_parse_reference(reference)) return {};
    try {
      return candidates_of(load_registries_conf(), reference);
    } catch (const Conflict&) {
      return {};  // several, and none is here under the name that was given
    }
  };
  for (const Reference& meaning : meanings()) {
    if (const auto named = named_by(places, meaning)) return read_image(named->layout, {named->name, named->manifest});
  }
  const auto name = try_parse_reference(reference);
  throw NotFound("No such image: " + (name ? name->familiar() : reference));
}

}  // namespace

void copy_verified(const std::string& from, const std::string& to, const std::string& digest) {
  const Fd in = open_regular(from);
  const Fd out = sys::openat(AT_FDCWD, to.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644) | or_throw("creating '{}'", to);
  RunningDigest hash(algorithm_of(digest));
  std::vector<char> buffer(1U << 17);
  for (;;) {
    const std::size_t count = sys::read(in.get(), buffer.data(), buffer.size()) | or_throw("reading '{}'", from);
    if (count == 0) break;
    hash.update(buffer.data(), count);
    sys::write_all(out.get(), buffer.data(), count) | or_throw("writing '{}'", to);
  }
  if (hash.finish() != digest) throw InvalidInput(fmt::format("blob {} is damaged: '{}'", digest, from));
  sys::fsync(out.get()) | or_throw("syncing '{}'", to);
}

void copy_blob(ImageStore& store, const std::string& layout, const std::string& digest) {
  if (store.has_blob(digest)) return;
  const Staged staged = store.stage();
  copy_verified(blob_in(layout, digest), staged.path(), digest);
  store.adopt_blob(staged.path(), digest);
}

void sync_blobs(const std::string& layout) {
  const auto sync = [](const std::string& path) {
    const Fd directory = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
    sys::fsync(directory.get()) | or_throw("syncing '{}'", path);
  };
  const std::string blobs = layout + "/blobs", rare = blobs + "/sha512";
  sync(blobs + "/sha256");
  if (!path_exists(rare)) return;
  sync(rare);
  sync(blobs);  // it may be new
}

std::string own_layout(const Places& places) { return places.data + "/images"; }
std::string store_lock(const Places& places) { return own_layout(places) + "/.lock"; }

void prepare_store(const Places& places) {
  make_directories(own_layout(places) + "/blobs/sha256");
  make_directories(places.data + "/layers");
  make_directories(places.data + "/tmp");
  const std::string marker = own_layout(places) + "/oci-layout";
  if (path_exists(marker)) return;
  const FileLock lock(store_lock(places));  // no caller holds it yet: nobody has taken it before the store exists
  if (!path_exists(marker)) write_file_atomic(marker, R"({"imageLayoutVersion":"1.0.0"})", true, 0644);
}

void put_entry(std::vector<IndexEntry>& entries, const Descriptor& manifest, const std::string& name) {
  const auto same = [&](const IndexEntry& entry) { return entry.manifest.digest == manifest.digest; };
  if (name.empty() && std::ranges::any_of(entries, same)) return;
  std::erase_if(entries,
                [&](const IndexEntry& entry) { return same(entry) && (entry.name.empty() || entry.name == name); });
  for (std::size_t i = 0; !name.empty() && i < entries.size(); ++i) {
    if (entries[i].name != name) continue;
    const std::string digest = entries[i].manifest.digest;
    entries[i].name.clear();
    const auto twins =
        std::ranges::count_if(entries, [&](const auto& entry) { return entry.manifest.digest == digest; });
    if (twins > 1) entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  entries.push_back({name, manifest});
}

ImageStore::ImageStore(const Places& places) : places_(places) {}

Image ImageStore::find(const std::string& reference) const {
  // Without a lock: another process may remove what the index has just named. The next look at the index tells.
  for (int attempt = 1;; ++attempt) {
    try {
      return find_now(reference);
    } catch (const SysError& error) {
      if (error.code() != ENOENT || attempt == 3) throw;
    }
  }
}

Image ImageStore::find_now(const std::string& reference) const {
  const std::string prefix = id_prefix(reference);
  const auto name = digest_with_hex(prefix).empty() ? try_parse_reference(reference) : std::nullopt;
  if (const auto named = name ? named_by(places_, *name) : std::nullopt) {
    return read_image(named->layout, {named->name, named->manifest});
  }
  if (prefix.empty()) {
    if (!name) (void)parse_reference(reference);  // its error says what is wrong with the words
    return find_meaning(places_, reference);
  }
  for (const std::string& layout : layouts(places_)) {
    std::vector<Image> found = images_by_id(places_, layout, prefix);
    if (found.empty()) continue;
    for (const Image& image : found) {
      if (image.id() != found.front().id()) throw Conflict(fmt::format("image id '{}' is ambiguous", reference));
    }
    return std::move(found.front());
  }
  return find_meaning(places_, reference);
}

std::vector<NamedManifest> ImageStore::names() const {
  std::vector<NamedManifest> all;
  for (const std::string& layout : layouts(places_)) {
    for (IndexEntry& entry : entries_of(places_, layout)) {
      const bool hidden = !entry.name.empty() && std::ranges::any_of(all, [&](const NamedManifest& named) {
        return named.name == entry.name && named.layout != layout;
      });
      if (!hidden) all.push_back({layout, std::move(entry.name), std::move(entry.manifest)});
    }
  }
  return all;
}

NamedManifest ImageStore::find_manifest(const Reference& name) const {
  if (auto named = named_by(places_, name)) return std::move(*named);
  throw NotFound("No such image: " + name.familiar());
}

std::vector<Image> ImageStore::list() const {
  std::vector<Image> images;
  for (const NamedManifest& named : names()) {
    try {
      images.push_back(read_image(named.layout, {named.name, named.manifest}));
    } catch (const Error&) {
      continue;  // one damaged image must not hide the others; find() tells what is wrong with it
    }
  }
  return images;
}

void ImageStore::tag(const Image& image, const Reference& name) {
  adopt_image(image);
  record(image.manifest, name);
  tell("tag", image.id(), name.familiar());
}

void ImageStore::tell(const char* action, const std::string& id, const std::string& name) const {
  record_event(places_.data, {"image", action, id, {{"name", name.empty() ? id : name}}});
}

/// Its blobs are in the own store, whatever store it was found in.
void ImageStore::adopt_image(const Image& image) {
  if (image.layout == own_layout(places_)) return;
  for (const Descriptor& layer : image.layers) copy_blob(*this, image.layout, layer.digest);
  copy_blob(*this, image.layout, image.config.digest);
  copy_blob(*this, image.layout, image.manifest.digest);
}

std::vector<std::string> ImageStore::remove(const std::string& reference, bool force, const ListUsers& list_users) {
  prepare_store(places_);
  const FileLock lock(store_lock(places_));
  const Image image = find(reference);
  if (image.layout != own_layout(places_)) {
    throw Conflict(fmt::format("image '{}' is in the read-only store '{}'", reference, image.layout));
  }
  const std::vector<ImageUser> users = list_users ? list_users() : std::vector<ImageUser>();
  Removal removal = plan_removal(image, names_image(reference, image));
  check_removal(removal, reference, image, users, force);
  std::vector<std::string> lines;
  for (const IndexEntry& entry : removal.gone) {
    const auto name = try_parse_reference(entry.name);
    if (!entry.name.empty()) lines.push_back("Untagged: " + (name ? name->familiar() : entry.name));
  }
  const bool in_use = std::ranges::any_of(users, [&](const ImageUser& user) { return user.image_id == image.id(); });
  if (removal.last && removal.by_name && in_use) {
    removal.kept.push_back({"", image.manifest});  // untagged, for its containers
  } else if (removal.last) {
    lines.push_back("Deleted: " + image.id());
  }
  commit_removal(places_, removal.kept, users);
  for (const IndexEntry& entry : removal.gone) {
    if (!entry.name.empty()) tell("untag", image.id(), "");
  }
  if (lines.size() > 0 && lines.back().starts_with("Deleted: ")) tell("delete", image.id(), "");
  return lines;
}

std::uint64_t ImageStore::collect(const ListUsers& users) {
  prepare_store(places_);
  const FileLock lock(store_lock(places_));
  return collect_garbage(places_, read_index(own_layout(places_)), users ? users() : std::vector<ImageUser>());
}

Pruned ImageStore::prune(bool all, const ListUsers& list_users) {
  prepare_store(places_);
  const FileLock lock(store_lock(places_));
  const std::string layout = own_layout(places_);
  const std::vector<ImageUser> users = list_users ? list_users() : std::vector<ImageUser>();
  const std::vector<IndexEntry> entries = read_index(layout);
  Pruned pruned;
  pruned.bytes = collect_garbage(places_, entries, users);  // nothing was written so far: there may be no room for it
  std::vector<IndexEntry> kept;
  std::vector<std::string> deleted;
  for (const IndexEntry& entry : entries) {
    if (!all && !entry.name.empty()) {
      kept.push_back(entry);
      continue;
    }
    try {
      const std::string id = read_image(layout, entry).id();
      if (std::ranges::any_of(users, [&](const ImageUser& user) { return user.image_id == id; })) {
        kept.push_back(entry);
        continue;
      }
      const auto name = try_parse_reference(entry.name);
      if (!entry.name.empty()) pruned.lines.push_back("untagged: " + (name ? name->familiar() : entry.name));
      if (std::ranges::find(deleted, id) == deleted.end()) deleted.push_back(id);
    } catch (const Error&) {
      kept.push_back(entry);  // damaged: `system fsck` sees to it
    }
  }
  for (const std::string& id : deleted) pruned.lines.push_back("deleted: " + id);
  if (kept.size() != entries.size()) pruned.bytes += commit_removal(places_, kept, users);
  for (const std::string& id : deleted) tell("delete", id, "");
  return pruned;
}

std::optional<FileLock> ImageStore::hold_layers(const std::vector<std::string>& directories) {
  const std::string own = places_.data + "/layers/";
  if (std::ranges::none_of(directories, [&](const auto& path) { return path.starts_with(own); })) return std::nullopt;
  FileLock lock(store_lock(places_));
  require_present(directories);
  return lock;
}

bool ImageStore::has_blob(const std::string& digest) const { return path_exists(blob_path(digest)); }

std::string ImageStore::blob_path(const std::string& digest) const { return blob_in(own_layout(places_), digest); }

void ImageStore::adopt_blob(const std::string& path, const std::string& digest) {
  const std::string target = blob_path(digest);
  prepare_store(places_);
  if (algorithm_of(digest) != DigestAlgorithm::sha256) make_directories(target.substr(0, target.rfind('/')));
  // On the disk before it has its name: whoever finds a blob trusts it.
  const Fd file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  sys::fsync(file.get()) | or_throw("syncing '{}'", path);
  sys::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str()) | or_throw("moving '{}' to '{}'", path, target);
}

std::string ImageStore::write_blob(const std::string& content, DigestAlgorithm algorithm) {
  const std::string digest = digest_of(content, algorithm);
  prepare_store(places_);
  const Staged staged = stage();
  write_file_atomic(staged.path(), content, false, 0644);
  adopt_blob(staged.path(), digest);
  return digest;
}

Staged ImageStore::stage() const {
  auto area = staging_.lock();
  if (!area) staging_ = area = std::make_shared<StagingArea>(places_.data);
  std::string path = area->new_path();
  return Staged(std::move(path), std::move(area));
}

void ImageStore::record(const Descriptor& manifest, const Reference& name) {
  prepare_store(places_);
  const std::string layout = own_layout(places_);
  const FileLock lock(store_lock(places_));
  // A removal may have taken a blob that the caller found present.
  if (!has_blob(manifest.digest)) throw NotFound(fmt::format("image {} was removed meanwhile", manifest.digest));
  for (const std::string& digest : reachable_blobs(layout, manifest)) {
    if (!has_blob(digest)) throw NotFound(fmt::format("blob {} of '{}' is missing", digest, name.familiar()));
  }
  sync_blobs(layout);
  std::vector<IndexEntry> entries = read_index(layout);
  put_entry(entries, manifest, name.repository.empty() ? std::string() : name.canonical());
  write_index(layout, entries);
}

}  // namespace sandbox::image
