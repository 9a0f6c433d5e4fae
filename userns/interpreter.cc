#include "userns/interpreter.h"

#include <cstring>
#include <string_view>

#include "sandbox/base/sys.h"

namespace sandbox::userns {
namespace {

constexpr int max_depth = 5;  // of scripts that name scripts; beyond it the kernel says ELOOP (fs/exec.c)

/// Reads what stands behind "#!" into `path`; false when `program` is no script.
bool read_interpreter(const char* program, char (&path)[256]) noexcept {
  char line[sizeof path] = {};  // the kernel looks at as many bytes (BINPRM_BUF_SIZE)
  // The descriptor first: opening a fifo or a device for reading could block or act.
  const auto object = sys::openat2(AT_FDCWD, program, O_PATH, RESOLVE_NO_MAGICLINKS);
  if (!object) return false;
  const auto status = sys::fstat(object->get());
  if (!status || !S_ISREG(status->st_mode)) return false;
  const auto file = sys::openat2(AT_FDCWD, program, O_RDONLY | O_NONBLOCK, RESOLVE_NO_MAGICLINKS);
  if (!file || !sys::read(file->get(), line, sizeof line - 1)) return false;
  if (std::memcmp(line, "#!", 2) != 0) return false;
  std::string_view rest(line + 2);
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
  rest = rest.substr(0, rest.find_first_of(" \t\n"));
  path[rest.copy(path, sizeof path - 1)] = 0;
  return !rest.empty();
}

}  // namespace

BadInterpreter check_interpreters(const char* program) noexcept {
  BadInterpreter result;
  char script[sizeof result.path] = {};
  for (int depth = 0; depth < max_depth; ++depth) {
    if (!read_interpreter(depth == 0 ? program : script, result.path)) return {};
    const auto found = sys::openat2(AT_FDCWD, result.path, O_PATH, RESOLVE_NO_MAGICLINKS);
    if (!found) {
      result.error = found.error().value;
      return result;
    }
    std::memcpy(script, result.path, sizeof script);
  }
  return {};
}

}  // namespace sandbox::userns
