// See layer_records.h.
#include "fuse-overlay/store/layer_records.h"

#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"

namespace sandbox::overlay {
namespace {

constexpr std::size_t kLargestDocument = 1U << 30;

std::string bytes_of(std::string_view hexadecimal) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hexadecimal.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hexadecimal.substr(at, 2)), nullptr, 16));
  }
  return bytes;
}

std::string path_of_key(const std::string& key) {
  if (key == ".") return {};
  return key.starts_with('/') ? bytes_of(std::string_view(key).substr(1)) : key;
}

ObjectRecord parse_record(const Json& json) {
  ObjectRecord record{json.at(0).get<std::uint32_t>(),
                      json.at(1).get<std::uint32_t>(),
                      json.at(2).get<std::uint32_t>() & 07777U,
                      {},
                      0,
                      0,
                      0};
  if (json.size() < 4) return record;
  const Json& more = json.at(3);
  record.capability = bytes_of(more.value("capability", ""));
  if (more.contains("type")) {
    record.device = more.at("type").get<std::string>() == "b" ? 'b' : 'c';
    record.major = more.at("rdev").at(0).get<unsigned>();
    record.minor = more.at("rdev").at(1).get<unsigned>();
  }
  return record;
}

}  // namespace

std::string record_key(const std::string& path) {
  try {
    (void)Json(path).dump();
    return path;
  } catch (const Json::exception&) {
    std::string key = "/";
    for (const char c : path) key += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return key;
  }
}

void LayerRecords::read() {
  if (read_) return;
  read_ = true;
  const std::string file = fs_ + "/../owners.json";
  if (!path_exists(file)) return;
  const Json document = parse_json(read_file(file, kLargestDocument), file);
  try {
    for (const auto& [key, json] : document.items()) {
      const std::string path = path_of_key(key);
      const ObjectRecord record = parse_record(json);
      if (record.device != 0) devices_[std::string(parent_of(path))].emplace_back(leaf_of(path));
      records_[path] = record;
    }
  } catch (const std::exception&) {  // of the JSON, or of std::stoi
    throw InvalidInput(fmt::format("'{}' is malformed", file));
  }
}

const ObjectRecord* LayerRecords::find(const std::string& path) {
  read();
  const auto found = records_.find(path);
  return found == records_.end() ? nullptr : &found->second;
}

const std::vector<std::string>& LayerRecords::devices_in(const std::string& path) {
  static const std::vector<std::string> none;
  read();
  const auto found = devices_.find(path);
  return found == devices_.end() ? none : found->second;
}

}  // namespace sandbox::overlay
