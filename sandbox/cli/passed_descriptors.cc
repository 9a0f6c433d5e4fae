// See passed_descriptors.h.
#include "sandbox/cli/passed_descriptors.h"

#include <unistd.h>

#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/runtime/stdio.h"

namespace sandbox::cli {

std::vector<int> passed_descriptors(const Arguments& arguments) {
  const std::string text = arguments.text("preserve-fds", "0");
  unsigned count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size() || count > container::most_passed) {
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--preserve-fds\" flag: a number up to {} is needed",
                                 text, container::most_passed));
  }
  return runtime::inherited_descriptors(count);
}

void close_passed(const std::vector<int>& descriptors) {
  for (const int descriptor : descriptors) ::close(descriptor);
}

}  // namespace sandbox::cli
