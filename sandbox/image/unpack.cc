// Unpacked layers: <data>/layers/<chain-id hex>[.ids]/{fs,meta.json,owners.json}. Runs in the process that starts a
// container, and for files of other owners in a child inside the user's namespace with a range.
//
// A layer whose files all belong to root looks the same to everyone. Others come in two forms: `<hex>` has the user's
// own files and their true owners in owners.json; `<hex>.ids` has the true owners on disk.
//
// A layer is complete when its name exists: it is applied in tmp/, checked against the config's diff id, synced, and
// renamed into place. Two processes may unpack the same layer; the second finds the name taken and drops its own.
#include "sandbox/image/unpack.h"

#include <errno.h>
#include <unistd.h>

#include "fuse-overlay/store/tree_digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/unpacking.h"

namespace sandbox::image {
namespace {

constexpr const char* ids_suffix = ".ids";

/// A layer of another user's files is of no use as a lower layer: their ids are unmapped in our namespaces, and
/// overlayfs can't copy up what it can't give its owner (EOVERFLOW). What its modes close to others, a container's root
/// could not even read. Its image serves, to be unpacked anew.
bool is_own(const std::string& fs) {
  const auto status = sys::fstatat(AT_FDCWD, fs.c_str(), AT_SYMLINK_NOFOLLOW);
  return status && status->st_uid == ::geteuid();
}

}  // namespace

std::string foreign_layers(const std::string& store) {
  try {
    for (const std::string& name : list_directory(store + "/layers")) {
      const std::string fs = fmt::format("{}/layers/{}/fs", store, name);
      const auto status = sys::fstatat(AT_FDCWD, fs.c_str(), AT_SYMLINK_NOFOLLOW);
      if (status && !is_own(fs)) return fmt::format("they belong to user {}, not to you", status->st_uid);
    }
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

std::string find_unpacked(const Places& places, const std::string& hex, bool range) {
  std::vector<std::string> stores = {places.data};
  stores.insert(stores.end(), places.additional_stores.begin(), places.additional_stores.end());
  for (const std::string& store : stores) {
    const std::string layer = fmt::format("{}/layers/{}", store, hex);
    const std::string with_ids = layer + ids_suffix;
    if (range && path_exists(with_ids + "/meta.json") && is_own(with_ids + "/fs")) return with_ids + "/fs";
    if (path_exists(layer + "/meta.json") && is_own(layer + "/fs") && !(range && path_exists(layer + "/owners.json"))) {
      return layer + "/fs";
    }
  }
  return {};
}

Fd open_layer_blob(const Places& places, const Image& image, const std::string& digest) {
  if (auto fd = sys::openat(AT_FDCWD, blob_in(own_layout(places), digest).c_str(), O_RDONLY)) return std::move(*fd);
  const std::string path = blob_in(image.layout, digest);
  try {
    return open_regular(path);
  } catch (const SysError& error) {
    if (error.code() != ENOENT) throw;
    throw NotFound(fmt::format("layer '{}' was removed meanwhile", path));
  }
}

void fill_layer(int blob, const std::string& staging, const std::string& diff_id,
                const overlay::ApplyOptions& options) {
  const std::string fs = staging + "/fs";
  sys::mkdirat(AT_FDCWD, fs.c_str(), 0755) | or_throw("creating '{}'", fs);
  const Fd dir = sys::openat(AT_FDCWD, fs.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", fs);
  (void)sys::fchmod(dir.get(), 0755);  // whatever the umask is: this is the container's root directory
  overlay::ApplyOptions all = options;
  all.algorithm = algorithm_of(diff_id);
  const overlay::AppliedLayer applied = overlay::apply_layer(blob, dir.get(), all);
  if (applied.diff_id != diff_id) {
    throw InvalidInput(fmt::format("a layer's content has digest {} instead of {}", applied.diff_id, diff_id));
  }
  const auto write = [&](const char* name, const Json& document) {
    // Paths of a layer may be no UTF-8; the document must be.
    write_file_atomic(fmt::format("{}/{}", staging, name),
                      document.dump(-1, ' ', false, Json::error_handler_t::replace), false, 0644);
  };
  if (!applied.owners.empty()) write("owners.json", applied.owners);
  const bool own_ids = options.change_owner && (applied.other_owners || !applied.owners.empty());
  write("meta.json", {{"version", 2},
                      {"diff_id", diff_id},
                      {"bytes", applied.bytes},
                      {"entries", applied.entries},
                      {"own_ids", own_ids},
                      {"tree", overlay::tree_digest(dir.get(), overlay::DigestOf::metadata, own_ids)}});
}

namespace {

/// See ImageStore::unpack_layer. `content`: see overlay::ApplyOptions.
void unpack_one(const Places& places, const Image& image, std::size_t number, const std::string& staging,
                const userns::KeptNamespace* range, int content) {
  const auto lower = [&] {
    const std::vector<std::string> chain = chain_ids(image.diff_ids);
    std::vector<std::string> directories;
    for (std::size_t below = number; below > 0; --below) {
      directories.push_back(find_unpacked(places, std::string(hex_of(chain[below - 1])), range != nullptr));
    }
    return directories;
  };
  const overlay::ApplyOptions options{.change_owner = range != nullptr, .lower = lower, .content = content};
  const Fd blob = open_layer_blob(places, image, image.layers.at(number).digest);
  sys::mkdirat(AT_FDCWD, staging.c_str(), 0700) | or_throw("creating '{}'", staging);
  const auto fill = [&] { fill_layer(blob.get(), staging, image.diff_ids[number], options); };
  if (range != nullptr) userns::run_in_namespace(range->user_ns.get(), fill);
  else fill();
}

}  // namespace

std::string publish_layer(const Places& places, const std::string& staging, const std::string& hex) {
  const Json meta = parse_json(read_file(staging + "/meta.json"), "meta.json");
  const std::string target =
      fmt::format("{}/layers/{}{}", places.data, hex, meta.at("own_ids").get<bool>() ? ids_suffix : "");
  if (auto renamed = sys::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, target.c_str()); !renamed) {
    if (renamed.error().value == EEXIST || renamed.error().value == ENOTEMPTY) return target;
    throw SysError(renamed.error(), fmt::format("moving a layer to '{}'", target));
  }
  return target;
}

void sync_files(const std::string& path) {
  const Fd directory = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
  sys::syncfs(directory.get()) | or_throw("syncing '{}'", path);
}

void sync_names(const Places& places) {
  const std::string layers = places.data + "/layers";
  const Fd dir = sys::openat(AT_FDCWD, layers.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", layers);
  sys::fsync(dir.get()) | or_throw("syncing '{}'", layers);
}

bool is_layer(std::string_view path) {
  if (!path.ends_with("/fs")) return false;
  path.remove_suffix(3);
  if (path.ends_with(".ids")) path.remove_suffix(4);
  const auto name = path.rfind('/');
  return name != path.npos && is_hex(path.substr(name + 1), 64) && path.substr(0, name).ends_with("/layers");
}

void require_present(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    if (!path_exists(directory)) throw NotFound(fmt::format("layer '{}' was removed meanwhile", directory));
  }
}

void ImageStore::unpack_layer(const Image& image, std::size_t number, const std::string& staging,
                              const userns::KeptNamespace* range) {
  unpack_one(places_, image, number, staging, range, -1);
}

void take_unpacked(const Places& places, const Image& image, const std::string& upper,
                   const userns::KeptNamespace* range) {
  const std::string hex(hex_of(chain_ids(image.diff_ids).back()));
  if (!find_unpacked(places, hex, range != nullptr).empty()) return;
  prepare_store(places);
  const Staged staging = ImageStore(places).stage();
  const Fd content = sys::openat(AT_FDCWD, upper.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", upper);
  unpack_one(places, image, image.layers.size() - 1, staging.path(), range, content.get());
  sync_files(staging.path());
  (void)publish_layer(places, staging.path(), hex);
  sync_names(places);
}

std::vector<std::string> ImageStore::ensure_unpacked(const Image& image, const userns::KeptNamespace* range) {
  if (!image.artifact_type.empty()) {
    throw Unsupported(fmt::format("'{}' is no container image but an artifact of the type {}",
                                  image.name.empty() ? image.id() : image.name, image.artifact_type));
  }
  Unpacking unpacking(*this, places_, image, range);
  try {
    unpacking.wait();
  } catch (const Error&) {
    require_present(unpacking.found());  // those below are looked at while a layer is unpacked
    throw;
  }
  return unpacking.publish();
}

}  // namespace sandbox::image
