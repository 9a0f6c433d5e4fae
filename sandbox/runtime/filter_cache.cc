#include "sandbox/runtime/filter_cache.h"

#include <linux/filter.h>

#include <cstring>
#include <string_view>

#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sealed_program.h"

namespace sandbox::runtime {
namespace {

constexpr std::size_t most_filters = 32;
constexpr std::size_t most_bytes = BPF_MAXINSNS * sizeof(sock_filter);

/// Empty when there is none.
Filter read_kept(const std::string& path) {
  if (!path_exists(path)) return {};
  const std::string text = read_file(path, most_bytes);
  if (text.size() % sizeof(sock_filter) != 0) return {};
  Filter filter(text.size());
  std::memcpy(filter.data(), text.data(), text.size());
  return filter;
}

void keep(const std::string& directory, const std::string& path, const Filter& filter) {
  make_directories(directory);
  if (list_directory(directory).size() >= most_filters) {
    remove_tree(directory);
    make_directories(directory);
  }
  const std::string_view text(reinterpret_cast<const char*>(filter.data()), filter.size());
  write_file_atomic(path, text, false);
}

}  // namespace

Filter cached_filter(const std::string& directory, const std::string& source, const std::function<Filter()>& compile) {
  if (directory.empty()) return compile();
  // Another build may compile the same source to something else.
  const std::string path = directory + "/" + sha256_digest(program_identity() + "\n" + source);
  try {
    if (Filter filter = read_kept(path); !filter.empty()) return filter;
  } catch (const Error&) {
    // removed meanwhile, or damaged
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
