// See step_files.h.
#include "sandbox/engine/step_files.h"

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/build_cache.h"
#include "sandbox/image/layout.h"
#include "userns/kept_namespace.h"

namespace sandbox::engine {

StepFiles::StepFiles(const Places& places) : places_(places), store_(places), range_(find_id_range(places)) {}

std::string StepFiles::content_cache(const std::string& directory) const {
  return content_caches(places_) + "/" + sha256_digest(directory).substr(7);
}

image::Image StepFiles::image_of(const build::Files& files) const {
  image::Image image;
  for (const build::Layer& layer : files.layers) {
    image.layers.push_back({layer.media_type, layer.digest, layer.size});
    image.diff_ids.push_back(layer.diff_id);
  }
  image.config_document = {{"config", Json::object()}};
  image.layout = store_.layout();
  return image;
}

std::vector<std::string> StepFiles::unpack(const build::Files& files) {
  return store_.ensure_unpacked(image_of(files), range_.kept ? &*range_.kept : nullptr);
}

void StepFiles::take_unpacked(const build::Files& base, const build::Layer& layer, const std::string& upper) {
  build::Files files = base;
  files.layers.push_back(layer);
  try {
    image::take_unpacked(places_, image_of(files), upper, range_.kept ? &*range_.kept : nullptr);
  } catch (const Error&) {
    // As if it had not been tried: the archive is in the store.
  }
}

std::string StepFiles::as_root(const std::function<std::string()>& act) const {
  if (range_.kept) return userns::ask_in_namespace(range_.kept->user_ns.get(), act);
  return userns::ask_in_own_namespace(act);
}

build::Layer StepFiles::make_layer(const std::function<overlay::WrittenArchive(int file)>& write,
                                   const std::function<void(const std::string& path)>& left_out) {
  const image::Staged staged = store_.stage();
  const Fd file = sys::openat(AT_FDCWD, staged.path().c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644) |
                  or_throw("creating '{}'", staged.path());
  const overlay::WrittenArchive archive = write(file.get());
  for (const std::string& path : archive.left_out) left_out(path);
  if (archive.entries == 0) return {};
  store_.adopt_blob(staged.path(), archive.written.digest);
  return {std::string(image::media_layer) + "+gzip", archive.written.digest, archive.written.diff_id,
          archive.written.size};
}

std::string encode_written(const overlay::WrittenArchive& archive) {
  return Json{{"diff_id", archive.written.diff_id}, {"digest", archive.written.digest}, {"size", archive.written.size},
              {"entries", archive.entries},         {"bytes", archive.bytes},           {"left_out", archive.left_out}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);  // paths may be any bytes
}

overlay::WrittenArchive decode_written(const std::string& text) {
  const Json json = parse_json(text, "the answer of a child process");
  overlay::WrittenArchive archive;
  archive.written = {json.at("diff_id"), json.at("digest"), json.at("size")};
  archive.entries = json.at("entries");
  archive.bytes = json.at("bytes");
  archive.left_out = json.at("left_out").get<std::vector<std::string>>();
  return archive;
}

}  // namespace sandbox::engine
