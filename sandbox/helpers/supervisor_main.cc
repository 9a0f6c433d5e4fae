// Entry of the supervisor process (sbx:supervisor). An exception ends it with 125; its client
// sees the closed connection.
#include <stdio.h>

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/places.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/helpers/helpers.h"
#include "userns/kept_namespace.h"

namespace sandbox::helpers {

int parse_descriptor(const char* word) {
  const std::string_view text = word;
  int fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc{} || end != text.data() + text.size() || fd < 0) {
    throw UsageError(fmt::format("invalid descriptor: '{}'", word));
  }
  sys::set_cloexec(fd, true) | or_throw("descriptor {}", fd);
  return fd;
}

int supervisor(std::span<char* const> words) {
  try {
    if (words.size() < 3) throw UsageError("usage: helper supervisor ID FD USER_NS_FD|- [PASSED_FD...]");
    Fd client(parse_descriptor(words[1]));
    std::vector<Fd> passed;
    for (const char* word : words.subspan(3)) passed.emplace_back(parse_descriptor(word));
    if (std::string_view(words[2]) != "-") userns::enter_namespace(Fd(parse_descriptor(words[2])).get());
    return container::supervisor_main(find_places(), words[0], std::move(client), std::move(passed));
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox helper supervisor: %s\n", error.what());
    return 125;
  }
}

}  // namespace sandbox::helpers
