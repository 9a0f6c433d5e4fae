// Entry of the process that serves a container's root through FUSE (sbx:overlay).
#include <stdio.h>

#include "fuse-overlay/overlay_server.h"
#include "sandbox/base/error.h"
#include "sandbox/helpers/helpers.h"

namespace sandbox::helpers {

int overlay(std::span<char* const> words) {
  try {
    if (words.size() != 5) {
      throw UsageError("usage: helper overlay CONFIG_FD READY_FD LIFETIME_FD FUSE_FD USER_NAMESPACE_FD");
    }
    return sandbox::overlay::overlay_main(Fd(parse_descriptor(words[0])), Fd(parse_descriptor(words[1])),
                                          Fd(parse_descriptor(words[2])), Fd(parse_descriptor(words[3])),
                                          Fd(parse_descriptor(words[4])));
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox helper overlay: %s\n", error.what());
    return 125;
  }
}

}  // namespace sandbox::helpers
