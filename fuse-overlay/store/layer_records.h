// owners.json beside an unpacked layer's fs/: what the disk doesn't show of its objects. ApplyOptions and AppliedLayer
// say when something is in it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sandbox::overlay {

struct ObjectRecord {
  std::uint32_t uid = 0, gid = 0, mode = 0;  ///< mode: the lower twelve bits.
  std::string capability;                    ///< The value of security.capability; empty: none on record.
  char device = 0;                           ///< 'c' or 'b': there is nothing on the disk.
  unsigned major = 0, minor = 0;
};

/// The key of `path` in the document. JSON holds UTF-8 only; other names become "/" and their bytes in hexadecimal,
/// which no path collides with.
std::string record_key(const std::string& path);

class LayerRecords {
 public:
  explicit LayerRecords(std::string fs) : fs_(std::move(fs)) {}

  /// "" is the root. Throws InvalidInput for a malformed document.
  const ObjectRecord* find(const std::string& path);
  /// Names of the devices in the directory `path`.
  const std::vector<std::string>& devices_in(const std::string& path);

 private:
  void read();

  std::string fs_;
  bool read_ = false;  ///< At first use.
  std::map<std::string, ObjectRecord> records_;
  std::map<std::string, std::vector<std::string>> devices_;
};

}  // namespace sandbox::overlay
