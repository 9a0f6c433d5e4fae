#include "sandbox/runtime/filter_cache.h"

#include <linux/filter.h>

#include <cstring>

#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sealed_program.h"

namespace sandbox::runtime {
namespace {

constexpr std::size_t most_filters = 32;
constexpr std::size_t most_bytes = BPF_MAXINSNS * sizeof(sock_filter);

void keep(const std::string& directory, const std::string& path, const Filter& filter) {
  make_directories(directory);
  if (list_directory(directory).size() >= most_filters) {
    remove_tree(directory);
    make_directories(directory);
  }
  write_file_atomic(path, text_of(filter), false);
}

}  // namespace

std::string_view text_of(const Filter& filter) {
  return {reinterpret_cast<const char*>(filter.data()), filter.size()};
}

Filter read_filter(const std::string& path) {
  const std::string text = read_file(path, most_bytes);
  if (text.empty() || text.size() % sizeof(sock_filter) != 0) {
    throw InvalidInput(fmt::format("'{}' is no seccomp filter", path));
  }
  Filter filter(text.size());
  std::memcpy(filter.data(), text.data(), text.size());
  return filter;
}

Filter cached_filter(const std::string& directory, const std::string& source, const std::function<Filter()>& compile) {
  if (directory.empty()) return compile();
  // Another build may compile the same source to something else.
  const std::string path = directory + "/" + sha256_digest(program_identity() + "\n" + source);
  try {
    return read_filter(path);
  } catch (const Error&) {
    // not there, or damaged
  }
  Filter filter = compile();
  try {
    keep(directory, path, filter);
  } catch (const Error&) {
    // compiled again next time
  }
  return filter;
}

}  // namespace sandbox::runtime
