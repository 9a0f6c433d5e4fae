// See entry_path.h. Pure functions.
#include "fuse-overlay/store/entry_path.h"

#include <climits>
#include <cstddef>

#include "sandbox/base/error.h"

namespace sandbox::overlay {

std::string normalize_entry_path(std::string_view name) {
  if (name.empty()) throw InvalidInput("layer archive: an entry has an empty name");
  std::string path;
  std::size_t components = 0;
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('/', start), name.size());
    const std::string_view component = name.substr(start, end - start);
    start = end + 1;
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      throw InvalidInput(fmt::format("layer archive: entry '{}': '..' in a name", printable(name)));
    }
    if (++components > kMaxDepth) {
      throw InvalidInput(
          fmt::format("layer archive: entry '{}': more than {} directories deep", printable(name), kMaxDepth));
    }
    if (!path.empty()) path += '/';
    path += component;
  }
  if (path.size() >= PATH_MAX || path.find('\0') != std::string::npos) {
    throw InvalidInput(fmt::format("layer archive: entry '{}': name too long or with a NUL", printable(name)));
  }
  return path;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view leaf_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string printable(std::string_view name) {
  constexpr std::size_t limit = 120;
  std::string text;
  for (const char c : name.substr(0, limit)) text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  if (name.size() > limit) text += "...";
  return text;
}

}  // namespace sandbox::overlay
