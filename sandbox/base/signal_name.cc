// See signal_name.h.
#include "sandbox/base/signal_name.h"

#include <signal.h>
#include <string.h>

#include <charconv>
#include <string>

#include "sandbox/base/error.h"

namespace sandbox {
namespace {

bool parse_number(std::string_view text, int& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

int parse_signal(std::string_view text) {
  int number = 0;
  if (parse_number(text, number)) {
    if (number > 0 && number <= SIGRTMAX) return number;
    throw UsageError(fmt::format("invalid signal: {}", text));
  }
  std::string name;
  for (const char c : text) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (int candidate = 1; candidate < 32; ++candidate) {
    const char* abbreviation = ::sigabbrev_np(candidate);
    if (abbreviation != nullptr && name == abbreviation) return candidate;
  }
  if (name == "RTMIN") return SIGRTMIN;
  if (name == "RTMAX") return SIGRTMAX;
  int offset = 0;
  if (name.starts_with("RTMIN+") && parse_number(std::string_view(name).substr(6), offset) && offset >= 0 &&
      offset <= SIGRTMAX - SIGRTMIN) {
    return SIGRTMIN + offset;
  }
  throw UsageError(fmt::format("invalid signal: {}", text));
}

}  // namespace sandbox
