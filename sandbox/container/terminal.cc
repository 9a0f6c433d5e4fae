// The user's terminal, see terminal.h. Runs in the client.
#include "sandbox/container/terminal.h"

#include <sys/ioctl.h>

#include "sandbox/base/error.h"

namespace sandbox::container {

std::optional<std::string> window_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  std::string payload;
  for (const unsigned value : {unsigned{size.ws_row}, unsigned{size.ws_col}}) {
    payload += static_cast<char>(value & 0xFF);
    payload += static_cast<char>(value >> 8);
  }
  return payload;
}

std::string parse_detach_keys(std::string_view words) {
  std::string keys;
  while (!words.empty()) {
    const auto comma = words.find(',');
    const std::string_view key = words.substr(0, comma);
    words = comma == std::string_view::npos ? std::string_view{} : words.substr(comma + 1);
    const char last = key.empty() ? '\0' : key.back();
    const bool control = key.size() == 6 && key.starts_with("ctrl-") && ((last >= 'a' && last <= 'z') || (last >= '@' && last <= '_'));
    if (!control && key.size() != 1) throw UsageError(fmt::format("invalid detach keys: '{}'", key));
    keys += control ? static_cast<char>(last & 0x1F) : last;
  }
  return keys;
}

std::optional<std::string> DetachKeys::filter(std::string_view typed) {
  std::string passed;
  for (const char key : typed) {
    // What was held back goes on when the sequence breaks, but for its part that may begin the sequence anew.
    while (held_ > 0 && key != keys_[held_]) {
      const std::string seen = keys_.substr(0, held_);
      do --held_;
      while (held_ > 0 && !seen.ends_with(keys_.substr(0, held_)));
      passed += seen.substr(0, seen.size() - held_);
    }
    if (keys_.empty() || key != keys_[held_]) {
      passed += key;
    } else if (++held_ == keys_.size()) {
      held_ = 0;
      return std::nullopt;
    }
  }
  return passed;
}

}  // namespace sandbox::container
