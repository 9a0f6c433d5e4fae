#include "sandbox/base/identifier.h"

#include <errno.h>
#include <sys/random.h>

#include <algorithm>
#include <cctype>

#include "sandbox/base/error.h"

namespace sandbox {

std::string random_hex(std::size_t digits) {
  unsigned char bytes[32];
  const std::size_t needed = std::min<std::size_t>((digits + 1) / 2, sizeof bytes);
  if (::getrandom(bytes, needed, 0) != static_cast<ssize_t>(needed)) throw SysError(Errno{errno}, "getrandom");
  std::string text;
  for (std::size_t i = 0; i < needed; ++i) text += fmt::format("{:02x}", bytes[i]);
  text.resize(digits);
  return text;
}

std::string random_container_id() {
  for (;;) {
    std::string id = random_hex(64);
    if (id.find_first_not_of("0123456789") < 12) return id;
  }
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_valid_name(std::string_view name) {
  if (name.size() < 2 || name.size() > 255) return false;
  const auto is_alnum = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return is_alnum(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) {
           return is_alnum(c) || c == '_' || c == '.' || c == '-';
         });
}

}  // namespace sandbox
