#include "sandbox/cli/oci/oci_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/runtime/store.h"

namespace sandbox::cli {
namespace {

/// A string literal of Go, which JSON's is, too, where it matters: nothing in it can break the line.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

OciLog::OciLog(const std::string& file, const std::string& format, const std::string& level)
    : json_(format == "json"), only_errors_(level == "error") {
  constexpr std::string_view levels[] = {"", "error", "warning", "info", "debug"};
  if (std::ranges::find(levels, level) == std::end(levels))
    throw UsageError(fmt::format("invalid log-level: {}", level));
  if (!json_ && !format.empty() && format != "text") throw UsageError(fmt::format("invalid log-format: {}", format));
  if (file.empty()) return;
  for (const char* other : {"journald:", "syslog:"}) {
    if (file.starts_with(other)) throw UsageError(fmt::format("invalid log '{}': only files can be written", file));
  }
  const std::string path = file.starts_with("file:") ? file.substr(5) : file;
  file_ = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644) |
          or_throw("opening the log '{}'", path);
}

void OciLog::write(std::string_view level, const std::string& message) const {
  if (only_errors_ && level != "error") return;
  const std::string time = runtime::timestamp();
  const std::string line = json_ ? OrderedJson{{"level", level}, {"msg", message}, {"time", time}}.dump(
                                       -1, ' ', false, nlohmann::json::error_handler_t::replace)
                                 : fmt::format("time=\"{}\" level={} msg={}", time, level, quoted(message));
  const std::string text = line + "\n";
  (void)sys::write_all(file_ ? file_.get() : STDERR_FILENO, text.data(), text.size());  // nobody is left to be told
}

}  // namespace sandbox::cli
