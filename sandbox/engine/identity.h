// Which user the container's process is: numbers, or names looked up in the image's own files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::engine {

struct User {
  std::uint32_t uid = 0, gid = 0;
  std::string home = "/";
};

/// `words`: "", "uid", "uid:gid", "name" or "name:group". `passwd` and `group` are the texts of
/// the image's files (empty when absent). Throws UsageError for an unknown name. Pure.
User resolve_user(std::string_view words, std::string_view passwd, std::string_view group);

/// The text of `path` in the top-most of `layers` that holds it as a regular file of at most 1 MiB; "" otherwise.
/// A layer is a stranger's tree: links are resolved inside it and nothing but a regular file is opened for reading.
std::string read_layer_file(const std::vector<std::string>& layers, const std::string& path);

}  // namespace sandbox::engine
