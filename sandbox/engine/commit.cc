// See commit.h.
#include "sandbox/engine/commit.h"

#include <time.h>

#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/engine/config_changes.h"
#include "sandbox/engine/container_archive.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {
namespace {

std::string command_line(const container::Spec& spec) {
  std::string line;
  for (const std::string& word : spec.plan.process.argv) line += (line.empty() ? "" : " ") + word;
  return line;
}

/// The document of the new image, but for its layer (image-spec config.md).
Json new_config(const image::Image& base, const container::Container& container, const CommitRequest& request) {
  Json document = base.config_document;
  const std::string created = format_time(::time(nullptr));
  Json& config = document["config"];
  apply_own_config(config, container.spec);
  apply_changes(config, request.changes);
  document["created"] = created;
  document.erase("author");
  if (!request.author.empty()) document["author"] = request.author;
  Json entry = {{"created", created}, {"created_by", command_line(container.spec)}};
  if (!request.author.empty()) entry["author"] = request.author;
  if (!request.message.empty()) entry["comment"] = request.message;
  if (!document.contains("history") || !document["history"].is_array()) document["history"] = Json::array();
  document["history"].push_back(std::move(entry));
  return document;
}

}  // namespace

std::string commit(const Places& places, const container::Container& container, const CommitRequest& request,
                   const std::function<void(const std::string&)>& warn) {
  if (container.spec.image_id.empty()) {
    throw Unsupported(fmt::format("container {} has no image that another could be based on", container.spec.name),
                      "'sandbox export' writes its files as an archive, 'sandbox import' makes an image of it");
  }
  image::ImageStore store(places);
  const image::Image base = store.find(container.spec.image_id);
  Json document = new_config(base, container, request);
  const auto write = [&](int file) {
    std::optional<Frozen> frozen;
    if (request.pause) frozen.emplace(places, container, warn);
    const auto archive = write_changes(places, container, file, overlay::Compression::gzip);
    frozen.reset();
    for (const std::string& path : archive.left_out)
      warn(fmt::format("'/{}' has no form in an image and is left out", path));
    return image::PackedLayer{archive.written.diff_id, archive.written.digest, archive.written.size,
                              archive.entries == 0};
  };
  return store.extend(base, std::move(document), write, request.name);
}

}  // namespace sandbox::engine
