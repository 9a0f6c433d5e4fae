// Entry of the process that keeps the user's namespace (sbx:userns).
#include <stdio.h>

#include "sandbox/base/error.h"
#include "sandbox/helpers/helpers.h"
#include "userns/kept_namespace.h"

namespace sandbox::helpers {

int park(std::span<char* const> words) {
  try {
    if (words.size() != 1) throw UsageError("usage: helper park RECORD");
    return userns::park_main(words[0]);
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox helper park: %s\n", error.what());
    return 125;
  }
}

}  // namespace sandbox::helpers
