// See step_records.h.
#include "sandbox/image/step_records.h"

#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/layout.h"

namespace sandbox::image {

void note_use(const std::string& path, int flags) {
  const auto file = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | flags, 0600);
  if (file) (void)sys::write(file->get(), "\n", 1);
}

std::optional<StepRecord> StepRecords::read(const std::string& key) const {
  const auto status = sys::fstatat(AT_FDCWD, path_of(key).c_str(), AT_SYMLINK_NOFOLLOW);
  if (!status) return {};
  try {
    return reading_document("a record of a build", [&] {
      const std::string text = read_file(path_of(key));
      const Json json = parse_json(text, "a record of a build");
      StepRecord record{key,
                        json.at("title"),
                        json.at("created"),
                        {},
                        json.at("diff_ids"),
                        json.at("own_layer"),
                        json.value("place", ""),
                        json.value("inputs", Json::object()),
                        status->st_mtim.tv_sec,
                        text.size() - 1 - text.find_last_not_of('\n')};
      for (const Json& layer : json.at("layers")) record.layers.push_back(parse_descriptor(layer, "a layer"));
      if (record.layers.size() != record.diff_ids.size()) throw InvalidInput("as many layers as digests");
      for (const std::string& digest : record.diff_ids) {
        if (!is_valid_digest(digest)) throw InvalidInput("a digest");
      }
      return record;
    });
  } catch (const Error&) {
    return {};
  }
}

std::optional<StepRecord> StepRecords::find(const std::string& key) const {
  auto record = read(key);
  if (record) note_use(path_of(key));
  return record;
}

void StepRecords::keep(const StepRecord& record, const std::string& unfinished) const {
  make_directories(directory_);
  Json layers = Json::array();
  for (const Descriptor& layer : record.layers) layers.push_back(descriptor_json(layer));
  const Json json = {{"title", record.title},       {"created", record.created},     {"layers", std::move(layers)},
                     {"diff_ids", record.diff_ids}, {"own_layer", record.own_layer}, {"place", record.place},
                     {"inputs", record.inputs}};
  write_file_atomic(unfinished, json.dump(-1, ' ', false, Json::error_handler_t::replace), false);
  sys::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path_of(record.key).c_str()) |
      or_throw("creating '{}'", path_of(record.key));
}

std::vector<StepRecord> StepRecords::list() const {
  std::vector<StepRecord> records;
  for (const std::string& name : list_directory(directory_)) {
    if (!is_hex(name, 64)) continue;
    if (auto record = read(name)) records.push_back(std::move(*record));
  }
  return records;
}

std::optional<StepRecord> StepRecords::latest_at(const std::string& place) const {
  std::optional<StepRecord> latest;
  for (StepRecord& record : list()) {
    if (record.place == place && (!latest || record.used > latest->used)) latest = std::move(record);
  }
  return latest;
}

void StepRecords::forget(const std::string& key) const {
  const auto removed = sys::unlinkat(AT_FDCWD, path_of(key).c_str(), 0);
  if (!removed && removed.error().value != ENOENT)
    throw SysError(removed.error(), fmt::format("removing '{}'", path_of(key)));
}

}  // namespace sandbox::image
