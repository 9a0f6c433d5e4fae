// `import`: a root file system's tar as an image of one layer, in the caller's process.
#include <time.h>

#include <algorithm>
#include <vector>

#include "sandbox/base/digest.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/archive_reader.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/registry_manifest.h"

namespace sandbox::image {
namespace {

/// Copies the stream to `path`; returns its digest and size as a layer's, the media type from its first bytes.
Descriptor receive(int in, const std::string& path) {
  const Fd out = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644) | or_throw("creating '{}'", path);
  Descriptor layer;
  Sha256 hash;
  std::string magic;
  std::vector<char> buffer(1U << 17);
  for (;;) {
    const std::size_t count = sys::read(in, buffer.data(), buffer.size()) | or_throw("reading the archive");
    if (count == 0) break;
    if (magic.size() < 4) magic.append(buffer.data(), std::min<std::size_t>(count, 4));
    layer.size += count;
    if (layer.size > max_content) throw InvalidInput("the archive is larger than 64 GiB");
    hash.update(buffer.data(), count);
    sys::write_all(out.get(), buffer.data(), count) | or_throw("writing '{}'", path);
  }
  layer.digest = hash.finish();
  layer.media_type = media_layer;
  if (magic.starts_with("\x1f\x8b")) layer.media_type += "+gzip";
  if (magic.starts_with("\x28\xb5\x2f\xfd")) layer.media_type += "+zstd";
  return layer;
}

std::string now() {
  const time_t seconds = ::time(nullptr);
  struct tm parts {};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  ::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

std::string ImageStore::import(int archive_fd, const Reference& name, const ImportOptions& options) {
  const Staged file = stage(), plain = stage();
  Descriptor layer = receive(archive_fd, file.path());
  require_tar(file.path());
  const bool kept_compressed = layer.media_type != media_layer;
  // A layer is plain, gzip or zstd: anything else is stored uncompressed.
  const std::string diff_id =
      uncompressed_digest(file.path(), DigestAlgorithm::sha256, kept_compressed ? std::string() : plain.path());
  if (kept_compressed || diff_id == layer.digest) {
    adopt_blob(file.path(), layer.digest);
  } else {
    const auto status = sys::fstatat(AT_FDCWD, plain.path().c_str(), 0) | or_throw("reading '{}'", plain.path());
    layer = {media_layer, diff_id, static_cast<std::uint64_t>(status.st_size)};
    adopt_blob(plain.path(), diff_id);
  }
  const std::string created = now();
  Json config = {{"created", created},
                 {"architecture", host_architecture()},
                 {"os", "linux"},
                 {"config", options.config},
                 {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array({diff_id})}}},
                 {"history", Json::array({{{"created", created}, {"comment", options.comment}}})}};
  if (!options.platform.empty()) {
    const Platform platform = parse_platform(options.platform);
    config["architecture"] = platform.architecture;
    if (!platform.variant.empty()) config["variant"] = platform.variant;
  }
  const std::string id = write_image(config, {layer}, name);
  tell("import", id, "");
  return id;
}

}  // namespace sandbox::image
