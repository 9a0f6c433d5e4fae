// `version`: touches nothing.
#include "sandbox/cli/command.h"

namespace sandbox::cli {
namespace {

int run(const Arguments&) {
  print("sandbox version " SANDBOX_VERSION "\n");
  return 0;
}

}  // namespace

const Command kVersion{"version", "version", "Show the version", {}, run, 0, 0};

}  // namespace sandbox::cli
