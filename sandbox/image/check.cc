// `system fsck` of images and layers: every blob has the digest that is its name, documents parse and reach only what
// is there, unpacked layers are what was unpacked. Runs in the client; layers are looked at in a child that may read
// them.
//
// Repairing holds the store's lock. What has a second source (an additional store, a layer's blob) is made again; what
// has none goes out of the way, so that everything else works.
#include <algorithm>
#include <optional>
#include <set>

#include "fuse-overlay/store/layer_records.h"
#include "fuse-overlay/store/tree_digest.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/staging.h"

namespace sandbox::image {
namespace {

std::string file_digest(const std::string& path, DigestAlgorithm algorithm) {
  const Fd file =
      sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK) | or_throw("opening '{}'", path);
  RunningDigest digest(algorithm);
  std::vector<char> buffer(256U << 10);
  for (;;) {
    const std::size_t count = sys::read(file.get(), buffer.data(), buffer.size()) | or_throw("reading '{}'", path);
    if (count == 0) return digest.finish();
    digest.update(buffer.data(), count);
  }
}

class Check {
 public:
  Check(ImageStore& store, const Places& places, const CheckOptions& options)
      : store_(store), places_(places), options_(options), layout_(own_layout(places)) {}

  std::vector<Finding> run() {
    std::optional<FileLock> lock;
    if (options_.repair) lock.emplace(store_lock(places_));
    check_marker();
    check_blobs();
    check_index();
    check_images();
    check_layers();
    check_names();
    return std::move(findings_);
  }

 private:
  /// `repair` says what it has done, if it may.
  template <class Repair>
  void found(const std::string& object, const std::string& problem, Repair repair) {
    Finding finding{object, problem, {}};
    if (options_.repair) finding.repaired = repair();
    findings_.push_back(std::move(finding));
  }

  std::string quarantine(const std::string& path) const {
    const std::string place = places_.data + "/quarantine";
    make_directories(place);
    const std::string target = fmt::format("{}/{}.{}", place, path.substr(path.rfind('/') + 1), random_hex(8));
    sys::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str()) | or_throw("moving '{}' away", path);
    return fmt::format("moved to '{}'", target);
  }

  void check_marker() {
    const std::string marker = layout_ + "/oci-layout";
    try {
      if (parse_json(read_file(marker), marker).at("imageLayoutVersion") == "1.0.0") return;
    } catch (const std::exception&) {
      // Absent or damaged.
    }
    found("oci-layout", "is missing or damaged", [&] {
      (void)sys::unlinkat(AT_FDCWD, marker.c_str(), 0);
      write_file_atomic(marker, R"({"imageLayoutVersion":"1.0.0"})", true, 0644);
      return "written again";
    });
  }

  /// Copies the blob from an additional store; false when none has it whole.
  bool fetch_blob(const std::string& digest) {
    for (const std::string& other : places_.additional_stores) {
      try {
        if (!path_exists(blob_in(other + "/images", digest))) continue;
        copy_blob(store_, other + "/images", digest);
        return true;
      } catch (const Error&) {
        continue;  // damaged there, too
      }
    }
    return false;
  }

  void check_blobs() {
    for (const std::string& name : blob_names(layout_)) {
      const std::string path = fmt::format("{}/{}", layout_, name), digest = digest_of_blob(name);
      std::string problem;
      if (digest.empty()) {
        problem = "is no blob's name";
      } else {
        try {
          const std::string actual = file_digest(path, algorithm_of(digest));
          if (actual != digest) problem = "has the digest " + actual;
        } catch (const SysError& error) {
          if (error.code() == ENOENT) continue;  // collected meanwhile
          problem = error.what();
        }
      }
      if (problem.empty()) {
        whole_.insert(digest);
        continue;
      }
      found("blob " + name.substr(name.rfind('/') + 1), problem, [&]() -> std::string {
        const std::string away = quarantine(path);
        if (digest.empty() || !fetch_blob(digest)) return away;
        whole_.insert(digest);
        return "copied from an additional store";
      });
    }
  }

  void check_index() {
    try {
      entries_ = read_index(layout_);
    } catch (const Error& error) {
      found("index.json", error.what(), [&] {
        const std::string away = quarantine(layout_ + "/index.json");
        entries_ = manifests_among_blobs();
        write_index(layout_, entries_);
        return fmt::format("{}; {} images were found again, without their names", away, entries_.size());
      });
    }
  }

  std::vector<IndexEntry> manifests_among_blobs() const {
    std::vector<IndexEntry> entries;
    for (const std::string& digest : whole_) {
      const std::string path = blob_in(layout_, digest);
      const std::uint64_t size = file_bytes(path);
      if (size > max_document) continue;
      try {
        const Json document = parse_json(read_file(path, max_document), digest);
        if (!document.is_object() || !document.contains("config") || !document.contains("layers")) continue;
        IndexEntry entry{"", {document.value("mediaType", media_manifest), digest, size}};
        (void)read_image(layout_, entry);
        entries.push_back(std::move(entry));
      } catch (const std::exception&) {
        continue;  // a layer, a config, or an image that has lost a part
      }
    }
    return entries;
  }

  void check_images() {
    std::vector<IndexEntry> kept;
    for (const IndexEntry& entry : entries_) {
      if (check_image(entry)) kept.push_back(entry);
    }
    if (kept.size() != entries_.size()) write_index(layout_, kept);
  }

  /// False when it is to be dropped.
  bool check_image(const IndexEntry& entry) {
    const std::string object = "image " + (entry.name.empty() ? entry.manifest.digest : entry.name);
    bool keep = true;
    const auto drop = [&] {
      keep = false;
      return "its name is removed: pull or load it again";
    };
    try {
      Image image = read_image(layout_, entry);
      for (const std::string& digest : reachable_blobs(layout_, entry.manifest)) {
        if (whole_.contains(digest)) continue;
        found(object, "lacks the blob " + digest, [&]() -> std::string {
          if (fetch_blob(digest)) return whole_.insert(digest), "copied from an additional store";
          return keep ? drop() : "its name is removed";
        });
      }
      for (const Descriptor& layer : image.layers) {
        if (!whole_.contains(layer.digest) || file_bytes(blob_in(layout_, layer.digest)) == layer.size) continue;
        found(object, fmt::format("says that layer {} has {} bytes", layer.digest, layer.size), drop);
      }
      if (keep) images_.push_back(std::move(image));
    } catch (const Error& error) {
      found(object, error.what(), drop);
    }
    return keep;
  }

  /// What `look` says in a process that may read all files of a layer.
  std::string ask(const std::function<std::string()>& look) const {
    return options_.range != nullptr ? userns::ask_in_namespace(options_.range->user_ns.get(), look)
                                     : userns::ask_in_own_namespace(look);
  }

  static std::string digest_of(const std::string& layer, overlay::DigestOf part, bool with_ids) {
    const Fd fs =
        sys::openat(AT_FDCWD, (layer + "/fs").c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}/fs'", layer);
    return overlay::tree_digest(fs.get(), part, with_ids);
  }

  /// The image that has a layer of this chain id, and which of its layers that is.
  std::pair<const Image*, std::size_t> image_of(const std::string& chain) const {
    for (const Image& image : images_) {
      const auto chains = chain_ids(image.diff_ids);
      for (std::size_t i = 0; i < chains.size(); ++i) {
        if (hex_of(chains[i]) == chain) return {&image, i};
      }
    }
    return {nullptr, 0};
  }

  std::string layer_problem(const std::string& path, const std::string& chain, bool with_ids) const {
    Json meta;
    try {
      meta = parse_json(read_file(path + "/meta.json"), "meta.json");
      if (!is_valid_digest(meta.at("diff_id").get<std::string>())) return "meta.json: the diff id is none";
      if (meta.at("own_ids").get<bool>() != with_ids) return "meta.json: own_ids doesn't fit the directory's name";
    } catch (const std::exception& error) {
      return fmt::format("meta.json: {}", error.what());
    }
    const auto [image, number] = image_of(chain);
    if (image != nullptr && image->diff_ids[number] != meta.at("diff_id"))
      return "meta.json: the diff id is another layer's";
    if (with_ids && options_.range == nullptr) return {};  // nobody else may read it
    try {
      const std::string tree = ask([&] {
        (void)overlay::LayerRecords(path + "/fs").find("");
        return digest_of(path, overlay::DigestOf::metadata, with_ids);
      });
      return meta.value("tree", tree) == tree ? "" : "files are missing, or are others than were unpacked";
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  /// How a layer was unpacked: with true owners on disk, unless it has a form for one id.
  const userns::KeptNamespace* range_of(const std::string& path, bool with_ids) const {
    return with_ids || !path_exists(path + "/owners.json") ? options_.range : nullptr;
  }

  /// Unpacks the layer once more and compares what its files hold; its blob is known to be whole.
  std::string content_problem(const std::string& path, const std::string& chain, bool with_ids) {
    const auto [image, number] = image_of(chain);
    if (image == nullptr || (with_ids && options_.range == nullptr)) return {};
    const auto content = [&](const std::string& layer) {
      return ask([&] { return digest_of(layer, overlay::DigestOf::content, with_ids); });
    };
    try {
      const Staged again = store_.stage();
      store_.unpack_layer(*image, number, again.path(), range_of(path, with_ids));
      return content(again.path()) == content(path) ? "" : "files hold something else than their layer's archive";
    } catch (const Error& error) {
      return error.what();
    }
  }

  void check_layers() {
    for (const std::string& name : list_directory(places_.data + "/layers")) {
      const std::string chain = name.substr(0, name.find('.')), path = fmt::format("{}/layers/{}", places_.data, name);
      if (digest_with_hex(chain).empty() || (name != chain && name != chain + ".ids")) {
        found("layers/" + name, "is no layer's name", [&] { return quarantine(path); });
        continue;
      }
      const bool with_ids = name != chain;
      std::string problem = layer_problem(path, chain, with_ids);
      if (problem.empty() && options_.full) problem = content_problem(path, chain, with_ids);
      if (problem.empty() || !path_exists(path)) continue;
      found("layer " + name, problem, [&] { return renew_layer(path, chain, with_ids); });
    }
  }

  std::string renew_layer(const std::string& path, const std::string& chain, bool with_ids) {
    const userns::KeptNamespace* const range = range_of(path, with_ids);
    {
      const Staged doomed(fmt::format("{}/tmp/{}", places_.data, random_hex(16)));
      sys::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, doomed.path().c_str()) | or_throw("removing layer '{}'", path);
    }
    const auto [image, number] = image_of(chain);
    if (image == nullptr) return "removed: no image has it";
    if (with_ids && range == nullptr) return "removed";
    try {
      (void)store_.ensure_unpacked(*image, range);
      return "unpacked again";
    } catch (const Error& error) {
      return fmt::format("removed; it can't be unpacked again: {}", error.what());
    }
  }

  void check_names() {
    static const std::set<std::string> ours = {"oci-layout", "index.json", "blobs", ".lock", ".turns", ".writers"};
    for (const std::string& name : list_directory(layout_)) {
      if (ours.contains(name) || (name.ends_with(".tmp") && !options_.repair)) continue;
      const std::string path = layout_ + "/" + name;
      found("images/" + name, "is no part of an image layout", [&] { return quarantine(path); });
    }
    if (options_.repair) sweep_staging(places_.data);
  }

  ImageStore& store_;
  const Places& places_;
  const CheckOptions& options_;
  std::string layout_;
  std::set<std::string> whole_;  ///< Digests of blobs that are what they should be.
  std::vector<IndexEntry> entries_;
  std::vector<Image> images_;  ///< Those that can be read.
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> ImageStore::check(const CheckOptions& options) {
  if (!path_exists(own_layout(places_))) return {};
  prepare_store(places_);
  return Check(*this, places_, options).run();
}

}  // namespace sandbox::image
