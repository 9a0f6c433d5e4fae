// Owners on disk are numbers of the user namespace that the server is in; what it shows may be others. So a container
// that has its caller's own number inside (keep-id) sees root's files as root's, though to its namespace their owner,
// who is the caller, has that number.
#pragma once

#include <cstdint>
#include <vector>

namespace sandbox::overlay {

/// So many ids from `shown` on are those from `disk` on. An id that no line has is the same on both sides.
struct IdLine {
  std::uint32_t shown = 0, disk = 0, count = 0;
  bool operator==(const IdLine&) const = default;
};

class IdTranslation {
 public:
  IdTranslation() = default;
  explicit IdTranslation(std::vector<IdLine> lines) : lines_(std::move(lines)) {}

  std::uint32_t shown(std::uint32_t disk) const {
    for (const IdLine& line : lines_) {
      if (disk - line.disk < line.count) return line.shown + (disk - line.disk);
    }
    return disk;
  }
  std::uint32_t on_disk(std::uint32_t shown) const {
    for (const IdLine& line : lines_) {
      if (shown - line.shown < line.count) return line.disk + (shown - line.shown);
    }
    return shown;
  }

 private:
  std::vector<IdLine> lines_;
};

}  // namespace sandbox::overlay
