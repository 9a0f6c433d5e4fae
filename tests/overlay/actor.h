// Performs operations in the working directory, and says of each what a program would see of it.
#pragma once

#include <sys/stat.h>

#include <array>
#include <string>

#include "operation.h"
#include "sandbox/base/fd.h"

namespace sandbox::overlay::test {

inline constexpr int kSlots = 6;

class Actor {
 public:
  /// The result as text: a number or what was read, or the errno's name.
  std::string perform(const Operation& operation);

 private:
  std::string perform_on_file(const Operation& operation);
  std::string perform_on_path(const Operation& operation);
  std::string perform_at(const Operation& operation);
  int fd(int slot) const { return slots_[static_cast<std::size_t>(slot)].get(); }

  std::array<Fd, kSlots> slots_;
  std::array<ino_t, kSlots> numbers_{};  ///< As they were at opening.
};

/// "100644 links 1 size 5 mtime 1000000000.5": of times those alone that no clock has set.
std::string describe(const struct stat& status);
/// "a d, b f": names with their types, sorted.
std::string names_of(int directory);
/// A number for so many bytes.
std::uint64_t digest(const char* data, std::size_t size);
/// Names of extended attributes, sorted.
std::vector<std::string> attributes_of(const std::string& path);

}  // namespace sandbox::overlay::test
