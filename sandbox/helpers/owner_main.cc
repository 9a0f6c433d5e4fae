// Entry of the process that answers for owners and ids (sbx:owner).
#include <stdio.h>

#include "sandbox/base/error.h"
#include "sandbox/helpers/helpers.h"
#include "sandbox/ownership/ownership.h"

namespace sandbox::helpers {

int owner(std::span<char* const> words) {
  try {
    if (words.size() != 2) throw UsageError("usage: helper owner CONFIG_FD CHANNEL_FD");
    return ownership::owner_main(Fd(parse_descriptor(words[0])), Fd(parse_descriptor(words[1])));
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox helper owner: %s\n", error.what());
    return 125;
  }
}

}  // namespace sandbox::helpers
