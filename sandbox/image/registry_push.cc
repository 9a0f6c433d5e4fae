// Push: see registry_push.h. Runs in the process of `sandbox push`, with threads of its own that send blobs.
//
// What is to be sent is decided first, as a list of blobs and a list of manifests; nothing is ever serialised anew, so
// the digest is that of the store's bytes.
#include "sandbox/image/registry_push.h"

#include <algorithm>

#include "sandbox/base/digest.h"
#include "sandbox/base/file.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/parallel.h"
#include "sandbox/image/registry_referrers.h"
#include "sandbox/image/registry_upload.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kTransfers = 4;  // At once.

struct Document {
  Descriptor manifest;
  std::string body;
};

struct Shipment {
  std::vector<Descriptor> layers;  ///< Each once; shown to the user.
  std::vector<Descriptor> configs;
  std::vector<Document>
      manifests;  ///< In the order in which a registry takes them: the first needs none of the others.
};

bool is_foreign(const Descriptor& layer) {
  return layer.media_type.contains("foreign") || layer.media_type.contains("nondistributable");
}

void add_once(std::vector<Descriptor>& list, Descriptor blob) {
  const auto same = [&](const Descriptor& other) { return other.digest == blob.digest; };
  if (std::ranges::none_of(list, same)) list.push_back(std::move(blob));
}

void plan(const std::string& layout, const Descriptor& manifest, int depth, Shipment& shipment) {
  const std::string what = fmt::format("manifest {}", manifest.digest);
  if (depth > 4) throw InvalidInput(what + " is nested too deeply");
  Document document{manifest, read_verified(layout, manifest, what)};
  const Json json = parse_json(document.body, what);
  if (!json.is_object()) throw InvalidInput(what + " is not an object");
  for (const Json& child : json.value("manifests", Json::array())) {
    const Descriptor next = parse_descriptor(child, what);
    if (!path_exists(blob_in(layout, next.digest))) {
      throw NotFound(fmt::format("{} of the index {} is not here", next.digest, manifest.digest),
                     "a registry takes an index only with all its images");
    }
    plan(layout, next, depth + 1, shipment);
  }
  if (json.contains("config")) add_once(shipment.configs, parse_descriptor(json.at("config"), what));
  for (const Json& layer : json.value("layers", Json::array()))
    add_once(shipment.layers, parse_descriptor(layer, what));
  if (document.manifest.media_type.empty()) document.manifest.media_type = json.value("mediaType", media_manifest);
  const auto same = [&](const Document& other) { return other.manifest.digest == manifest.digest; };
  if (std::ranges::none_of(shipment.manifests, same)) shipment.manifests.push_back(std::move(document));
}

class Pusher {
 public:
  Pusher(const ImageStore& store, const NamedManifest& source, const Reference& target, Progress& progress)
      : store_(store),
        source_(source),
        target_(target),
        progress_(progress),
        sources_(other_repositories()),
        client_(endpoints_of(load_registries_conf(), target).back(), Access::push, sources_) {}

  std::string run() {
    Shipment shipment = reading_document(fmt::format("manifest {}", source_.manifest.digest), [&] {
      Shipment planned;
      plan(source_.layout, source_.manifest, 0, planned);
      return planned;
    });
    send_blobs(shipment.layers, true);
    send_blobs(shipment.configs, false);
    std::string digest;
    for (const Document& document : shipment.manifests) {
      const bool last = &document == &shipment.manifests.back();
      digest = put(document, last && target_.digest.empty() ? target_.tag : document.manifest.digest);
    }
    progress_.line(fmt::format("{}: digest: {} size: {}", target_.digest.empty() ? target_.tag : target_.digest, digest,
                               source_.manifest.size));
    return digest;
  }

 private:
  /// Of the same registry, that images of the store have come from or gone to; they may have blobs of this one.
  std::vector<std::string> other_repositories() const {
    std::vector<std::string> found;
    for (const NamedManifest& named : store_.names()) {
      if (named.name.empty()) continue;
      const Reference reference = parse_reference(named.name);
      if (reference.registry != target_.registry || reference.repository == target_.repository) continue;
      if (std::ranges::find(found, reference.repository) != found.end() || !shares_blobs(named)) continue;
      found.push_back(reference.repository);
    }
    return found;
  }

  bool shares_blobs(const NamedManifest& named) const {
    try {
      const auto theirs = reachable_blobs(named.layout, named.manifest);
      const auto ours = reachable_blobs(source_.layout, source_.manifest);
      return std::ranges::any_of(ours,
                                 [&](const auto& digest) { return std::ranges::find(theirs, digest) != theirs.end(); });
    } catch (const Error&) {
      return false;
    }
  }

  void send_blobs(const std::vector<Descriptor>& blobs, bool shown) {
    for (const Descriptor& blob : blobs) {
      if (shown) progress_.status(short_id(blob), "Preparing");
    }
    in_parallel(blobs.size(), kTransfers, [&](std::size_t number, const std::stop_token& stop) {
      const Descriptor& blob = blobs[number];
      if (is_foreign(blob) && shown) return progress_.status(short_id(blob), "Skipped foreign layer");
      const SentBlob sent =
          send_blob(client_, {blob, blob_in(source_.layout, blob.digest), sources_, [&](std::uint64_t bytes) {
                                if (stop.stop_requested()) throw Error("the push has been given up");
                                if (shown) progress_.bytes(short_id(blob), "Pushing", bytes, blob.size);
                              }});
      if (shown) progress_.status(short_id(blob), words_for(sent));
    });
  }

  std::string words_for(const SentBlob& sent) const {
    if (sent.how == Sent::present) return "Layer already exists";
    if (sent.how == Sent::uploaded) return "Pushed";
    return "Mounted from " + Reference{target_.registry, sent.from, {}, {}}.familiar_repository();
  }

  HttpResponse send(const Document& document, const std::string& name) {
    const HttpBody body = text_body(document.body);
    return client_.send(
        {"PUT", client_.url_of("manifests/" + name), {"Content-Type: " + document.manifest.media_type}, &body});
  }

  /// Returns the digest by which the registry has it. What comes under a tag some know by sha256 alone, others by our
  /// digest, too, once it has come under that.
  std::string put(const Document& document, const std::string& name) {
    const HttpResponse answer = send(document, name);
    if (!answer.ok()) client_.refuse(answer);
    const std::string& ours = document.manifest.digest;
    const std::string stored = answer.header("docker-content-digest");
    if (!stored.empty() && (!is_valid_digest(stored) || digest_of(document.body, algorithm_of(stored)) != stored)) {
      throw InvalidInput(fmt::format("registry '{}' has stored {} as something else", target_.registry, ours));
    }
    enter_referrer(client_, answer, document.manifest, parse_json(document.body, "the manifest"));
    return stored.empty() || stored == ours || name == ours || send(document, ours).ok() ? ours : stored;
  }

  static std::string short_id(const Descriptor& blob) { return std::string(hex_of(blob.digest).substr(0, 12)); }

  const ImageStore& store_;
  const NamedManifest& source_;
  const Reference& target_;
  Progress& progress_;
  std::vector<std::string> sources_;
  RegistryClient client_;
};

}  // namespace

std::string push(const ImageStore& store, const NamedManifest& source, const Reference& target, Progress& progress) {
  return Pusher(store, source, target, progress).run();
}

}  // namespace sandbox::image
