// Pull: see registry.h. Runs in the process of `sandbox pull` or `sandbox run`, with threads of its own that fetch
// blobs.
//
// Invariants: nothing reaches the store's blobs/ before its digest and size were verified, nothing its layers/ before
// the image is recorded, which comes when all of it is there: a broken pull leaves the image that the name had.
#include "sandbox/image/registry.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/parallel.h"
#include "sandbox/image/policy.h"
#include "sandbox/image/registries_conf.h"
#include "sandbox/image/registry_client.h"
#include "sandbox/image/registry_manifest.h"
#include "sandbox/image/registry_referrers.h"
#include "sandbox/image/registry_search.h"
#include "sandbox/image/turn.h"
#include "sandbox/image/unpacking.h"

namespace sandbox::image {
namespace {

// One line: some registries read only the first Accept header.
const std::vector<std::string> kAccept = {
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"};

constexpr std::size_t kTransfers = 4;  // At once.

// A blob on its way: a temporary file with a running digest, removed unless it was adopted.
class IncomingBlob : public BodyReceiver {
 public:
  using Notice = std::function<void(std::uint64_t received)>;  ///< What it throws ends the transfer.
  IncomingBlob(const ImageStore& store, const Descriptor& blob)
      : blob_(blob), staged_(store.stage()), hash_(algorithm_of(blob.digest)) {}

  const Descriptor& blob() const { return blob_; }
  const std::string& path() const { return staged_.path(); }

  void begin(Notice notice) {
    notice_ = std::move(notice);
    file_ = sys::openat(AT_FDCWD, path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644) |
            or_throw("creating '{}'", path());
  }

  std::uint64_t received() const override { return received_; }

  void restart() override {
    notice_(0);  // who reads the file meanwhile knows before it is empty
    sys::ftruncate(file_.get(), 0) | or_throw("emptying '{}'", path());
    if (::lseek(file_.get(), 0, SEEK_SET) < 0) throw SysError(Errno{errno}, fmt::format("emptying '{}'", path()));
    hash_ = RunningDigest(algorithm_of(blob_.digest));
    received_ = 0;
  }

  void write(std::span<const std::byte> data) override {
    if (data.size() > blob_.size - received_) {
      throw InvalidInput(
          fmt::format("blob {} is longer than the {} bytes of its descriptor", blob_.digest, blob_.size));
    }
    hash_.update(data.data(), data.size());
    sys::write_all(file_.get(), data.data(), data.size()) | or_throw("writing '{}'", path());
    received_ += data.size();
    notice_(received_);
  }

  void verify() {
    if (received_ != blob_.size) {
      throw InvalidInput(fmt::format("blob {} has {} bytes, not the {} of its descriptor", blob_.digest, received_,
                                     blob_.size));
    }
    if (const std::string actual = hash_.finish(); actual != blob_.digest) {
      throw InvalidInput(fmt::format("blob {} has the digest {}", blob_.digest, actual));
    }
  }

  void adopt(ImageStore& store) {
    file_.reset();
    store.adopt_blob(path(), blob_.digest);
  }

 private:
  const Descriptor blob_;
  Notice notice_;
  Staged staged_;
  Fd file_;
  RunningDigest hash_;
  std::uint64_t received_ = 0;
};

struct Fetched {
  Descriptor descriptor;
  std::string body;
  RegistryDocument document;
};

/// A manifest or index by a tag or, checked, by its digest. The Docker-Content-Digest header proves nothing.
Fetched fetch_document(RegistryClient& client, const Reference& reference, const std::string& name) {
  HttpResponse answer = client.get("manifests/" + name, kAccept);
  if (!answer.ok()) throw NotFound(fmt::format("manifest for {} not found: manifest unknown", reference.familiar()));
  Fetched fetched{{}, std::move(answer.body), {}};
  const bool promised = is_valid_digest(name);
  fetched.descriptor.digest = digest_of(fetched.body, promised ? algorithm_of(name) : DigestAlgorithm::sha256);
  fetched.descriptor.size = fetched.body.size();
  if (promised && fetched.descriptor.digest != name) {
    throw InvalidInput(fmt::format("manifest {} has the digest {}", name, fetched.descriptor.digest));
  }
  fetched.document = parse_registry_document(fetched.body, answer.header("content-type"));
  fetched.descriptor.media_type = fetched.document.media_type;
  return fetched;
}

void fetch_blob(RegistryClient& client, const Reference& reference, IncomingBlob& incoming,
                const IncomingBlob::Notice& notice) {
  const std::string& digest = incoming.blob().digest;
  incoming.begin(notice);
  const HttpResponse answer = client.get("blobs/" + digest, {}, &incoming);
  if (!answer.ok()) throw NotFound(fmt::format("blob {} not found in registry '{}'", digest, reference.registry));
  incoming.verify();
}

/// The same into the store, unless it has it.
void fetch_into(ImageStore& store, RegistryClient& client, const Reference& reference, const Descriptor& blob) {
  if (store.has_blob(blob.digest)) return;
  Turn turn(store.layout(), reference.registry, blob.digest);
  turn.wait();
  if (store.has_blob(blob.digest)) return;
  IncomingBlob incoming(store, blob);
  fetch_blob(client, reference, incoming, [](std::uint64_t) {});
  incoming.adopt(store);
}

/// What `attempt` makes of the first one with which it succeeds; `note` hears of failures before the last one's.
template <class T>
auto first_of(const std::vector<T>& ways, const auto& attempt, const auto& note) {
  for (std::size_t i = 0; i + 1 < ways.size(); ++i) {
    try {
      return attempt(ways[i]);
    } catch (const Error& error) {
      note(ways[i], error);
    }
  }
  return attempt(ways.back());
}

class Puller {
 public:
  Puller(ImageStore& store, const Reference& reference, const Endpoint& endpoint, const PullOptions& options)
      : store_(store),
        reference_(reference),
        options_(options),
        progress_(options.progress != nullptr ? *options.progress : silence_),
        wanted_(parse_platform(options.platform)),
        client_(endpoint),
        work_(store.stage()) {}

  std::string run() {
    const std::string& tag = reference_.digest.empty() ? reference_.tag : reference_.digest;
    say(fmt::format("{}: Pulling from {}", tag, reference_.repository));
    Fetched top = fetch_document(client_, reference_, tag);
    const std::string shown_digest = top.descriptor.digest;
    Fetched manifest = std::move(top);
    if (manifest.document.is_index) {
      const Descriptor entry = choose_manifest(manifest.document, wanted_, reference_.familiar());
      manifest = fetch_document(client_, reference_, entry.digest);
      check_entry(entry, manifest);
    }
    const ManifestContent content = read_manifest(manifest.document);
    const Turn turn = take_turn(manifest.descriptor, content);
    const std::vector<std::string> diff_ids = fetch_config(content);
    const bool known = is_known(manifest.descriptor.digest);
    fetch_layers(content, diff_ids, content.is_image && !known && options_.unpack);

    store_.write_blob(manifest.body, algorithm_of(manifest.descriptor.digest));
    store_.record(manifest.descriptor, reference_);
    if (unpacking_) unpacking_->publish();
    say("Digest: " + shown_digest);
    say((known ? "Status: Image is up to date for " : "Status: Downloaded newer image for ") + reference_.familiar());
    return manifest.descriptor.digest;
  }

 private:
  void say(const std::string& line) const { progress_.line(line); }

  static void check_entry(const Descriptor& entry, const Fetched& manifest) {
    if (manifest.document.is_index) throw InvalidInput("the index holds another index");
    if (manifest.descriptor.size != entry.size) throw InvalidInput("the manifest's size is not that in the index");
    if (!entry.media_type.empty() && entry.media_type != manifest.document.media_type) {
      throw InvalidInput("the manifest's type is not that in the index");
    }
  }

  /// Who pulls an image that another process is pulling waits for that one, and finds it there.
  Turn take_turn(const Descriptor& manifest, const ManifestContent& content) {
    Turn turn(store_.layout(), reference_.registry, manifest.digest);
    if (turn.held()) return turn;
    for (const Descriptor& layer : content.layers) {
      if (!store_.has_blob(layer.digest)) progress_.status(short_id(layer.digest), "Waiting");
    }
    turn.wait();
    return turn;
  }

  /// Returns the diff ids, if it is an image's.
  std::vector<std::string> fetch_config(const ManifestContent& content) {
    fetch_into(store_, client_, reference_, content.config);
    if (!content.is_image) return {};
    const std::string config = read_file(store_.blob_path(content.config.digest));
    judge_platform(check_config(config, content));
    return parse_json(config, "the image's config")["rootfs"]["diff_ids"].get<std::vector<std::string>>();
  }

  void judge_platform(const Platform& offered) const {
    if (offered.architecture.empty() || platform_matches(offered, wanted_)) return;
    const std::string mismatch = fmt::format("the image's platform ({}) does not match the {} platform ({})",
                                             offered.text(), options_.platform.empty() ? "host's" : "specified",
                                             wanted_.text());
    if (!options_.platform.empty()) throw NotFound(fmt::format("{}: {}", reference_.familiar(), mismatch));
    say("WARNING: " + mismatch);
  }

  void fetch_layers(const ManifestContent& content, const std::vector<std::string>& diff_ids, bool unpack) {
    std::vector<std::unique_ptr<IncomingBlob>> missing;
    for (const Descriptor& layer : content.layers) {
      const auto same = [&](const auto& other) { return other->blob().digest == layer.digest; };
      if (std::ranges::any_of(missing, same)) continue;  // one manifest may name a layer twice
      const bool present = store_.has_blob(layer.digest);
      progress_.status(short_id(layer.digest), present ? "Already exists" : "Pulling fs layer");
      if (!present) missing.push_back(std::make_unique<IncomingBlob>(store_, layer));
    }
    if (unpack) start_unpacking(content, diff_ids, missing);
    try {
      fetch_all(missing);
    } catch (const UnpackingEnded&) {
      unpacking_->wait();
      throw;
    }
    if (!unpacking_) return;
    for (const auto& blob : missing) progress_.bytes(short_id(blob->blob().digest), "Extracting", 1, 1);
    unpacking_->wait([&](const std::string& digest) {
      const auto same = [&](const auto& other) { return other->blob().digest == digest; };
      if (std::ranges::any_of(missing, same)) progress_.status(short_id(digest), "Pull complete");
    });
  }

  /// What other processes are fetching, for other images, comes last: perhaps it is there by then.
  void fetch_all(const std::vector<std::unique_ptr<IncomingBlob>>& missing) {
    std::mutex mutex;
    std::vector<IncomingBlob*> others;
    in_parallel(missing.size(), kTransfers, [&](std::size_t number, const std::stop_token& stop) {
      IncomingBlob& blob = *missing[number];
      const Turn turn(store_.layout(), reference_.registry, blob.blob().digest);
      if (turn.held()) return fetch_layer(blob, stop);
      progress_.status(short_id(blob.blob().digest), "Waiting");
      const std::scoped_lock lock(mutex);
      others.push_back(&blob);
    });
    in_parallel(others.size(), kTransfers, [&](std::size_t number, const std::stop_token& stop) {
      Turn turn(store_.layout(), reference_.registry, others[number]->blob().digest);
      turn.wait(stop);
      fetch_layer(*others[number], stop);
    });
  }

  struct UnpackingEnded : Error { using Error::Error; };

  void start_unpacking(const ManifestContent& content, const std::vector<std::string>& diff_ids,
                       const std::vector<std::unique_ptr<IncomingBlob>>& missing) {
    Image image;
    image.layers = content.layers;
    image.diff_ids = diff_ids;
    image.layout = store_.layout();
    Unpacking::Arriving arriving;
    for (const auto& blob : missing) arriving[blob->blob().digest] = blob->path();
    unpacking_ = options_.unpack(image, arriving);
  }

  /// Unless it has come meanwhile.
  void fetch_layer(IncomingBlob& incoming, const std::stop_token& stop) {
    const bool present = store_.has_blob(incoming.blob().digest);
    if (!present) download(incoming, stop);
    if (unpacking_) require_unpacking(unpacking_->verified(incoming.blob().digest));
    if (!present) incoming.adopt(store_);
    progress_.status(short_id(incoming.blob().digest), unpacking_ ? "Download complete" : "Pull complete");
  }

  static void require_unpacking(bool goes_on) {
    if (!goes_on) throw UnpackingEnded("the layers can't be unpacked");
  }

  void download(IncomingBlob& incoming, const std::stop_token& stop) {
    constexpr std::uint64_t step = 256U << 10;
    const Descriptor& layer = incoming.blob();
    const std::string shown = short_id(layer.digest);
    std::uint64_t told = 0;
    fetch_blob(client_, reference_, incoming, [&](std::uint64_t received) {
      if (stop.stop_requested()) throw Error("the pull has been given up");
      progress_.bytes(shown, "Downloading", received, layer.size);
      if (!unpacking_ || (received >= told && received < told + step)) return;
      told = received;
      require_unpacking(unpacking_->arrived(layer.digest, received));
    });
  }

  static std::string short_id(const std::string& digest) { return std::string(hex_of(digest).substr(0, 12)); }

  bool is_known(const std::string& digest) const {
    try {
      return store_.find(reference_.canonical()).manifest.digest == digest;
    } catch (const Error&) {
      return false;  // Absent, or damaged: then this pull repairs it.
    }
  }

  ImageStore& store_;
  const Reference& reference_;
  const PullOptions& options_;
  LineProgress silence_{{}};
  Progress& progress_;
  Platform wanted_;
  RegistryClient client_;
  Staged work_;  ///< From now on what is found present stays; see staging.h.
  std::unique_ptr<Unpacking> unpacking_;
};

}  // namespace

std::string pull(ImageStore& store, const Reference& reference, const PullOptions& options) {
  require_accepted("docker", reference.canonical());
  const auto note = [&](const Endpoint& mirror, const Error& error) {
    if (options.progress == nullptr) return;
    options.progress->line(fmt::format("WARNING: mirror {}: {}", mirror.reference.registry, error.what()));
  };
  std::string digest = first_of(
      endpoints_of(load_registries_conf(), reference),
      [&](const Endpoint& endpoint) { return Puller(store, reference, endpoint, options).run(); }, note);
  store.tell("pull", reference.familiar(), reference.familiar());
  return digest;
}

Reference pull_name(ImageStore& store, const std::string& text, const PullOptions& options) {
  const auto note = [&](const Reference& candidate, const Error& error) {
    if (options.progress == nullptr) return;
    options.progress->line(fmt::format("{}: {}", candidate.registry, error.what()));
  };
  const auto attempt = [&](const Reference& candidate) {
    pull(store, candidate, options);
    return candidate;
  };
  return first_of(candidates_of(load_registries_conf(), text), attempt, note);
}

std::string pull_all_tags(ImageStore& store, const std::string& text, const PullOptions& options) {
  const auto silent = [](const Reference&, const Error&) {};
  const auto attempt = [](const Reference& candidate) { return std::pair(candidate, list_tags(candidate)); };
  const auto [name, tags] = first_of(candidates_of(load_registries_conf(), text), attempt, silent);
  const std::string repository = fmt::format("{}/{}", name.registry, name.repository);
  for (const std::string& tag : tags) {
    pull(store, parse_reference(fmt::format("{}:{}", repository, tag)), options);
  }
  return repository;
}

namespace {

/// What `ask` makes of the manifest or index behind a name, wherever it is.
auto ask_about(const std::string& text, const auto& ask) {
  const RegistriesConf conf = load_registries_conf();
  const auto silent = [](const auto&, const Error&) {};
  const auto attempt = [&](const Reference& candidate) {
    const std::string& name = candidate.digest.empty() ? candidate.tag : candidate.digest;
    const auto ask_there = [&](const Endpoint& endpoint) {
      RegistryClient client(endpoint);
      return ask(client, fetch_document(client, candidate, name));
    };
    return first_of(endpoints_of(conf, candidate), ask_there, silent);
  };
  return first_of(candidates_of(conf, text), attempt, silent);
}

}  // namespace

std::string fetch_manifest(const std::string& text) {
  return ask_about(text, [](RegistryClient&, Fetched fetched) { return std::move(fetched.body); });
}

Json fetch_referrers(const std::string& text, const std::string& artifact_type) {
  return ask_about(text, [&](RegistryClient& client, const Fetched& fetched) {
    return list_referrers(client, fetched.descriptor.digest, artifact_type);
  });
}

RemoteRepository::RemoteRepository(Reference reference) : reference_(std::move(reference)) {
  require_accepted("docker", reference_.canonical());
  client_ = std::make_unique<RegistryClient>(endpoints_of(load_registries_conf(), reference_).back());
}

RemoteRepository::~RemoteRepository() = default;

std::string RemoteRepository::manifest(const std::string& digest) {
  const std::string& own = reference_.digest.empty() ? reference_.tag : reference_.digest;
  return fetch_document(*client_, reference_, digest.empty() ? own : digest).body;
}

void RemoteRepository::fetch(ImageStore& store, const Descriptor& blob) {
  fetch_into(store, *client_, reference_, blob);
}

}  // namespace sandbox::image
