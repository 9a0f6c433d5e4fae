// `system fsck`: what of the store is not as it should be; repaired if asked.
#include <stdio.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/fsck.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"full", '\0', nullptr, "Also compare unpacked files with their layers' archives"},
    {"repair", '\0', nullptr, "Repair what can be, move the rest out of the way"},
};

/// 0: all is well, or is now.
int run(const Arguments& arguments) {
  const Places places = find_places();
  make_places(places);
  int status = 0;
  const auto findings = engine::check_store(places, arguments.flag("full"), arguments.flag("repair"));
  // For eyes: scripts look at the status and at the findings.
  if (findings.empty()) ::fprintf(stderr, "the store is in order: %s\n", places.data.c_str());
  for (const auto& [object, problem, repaired] : findings) {
    print(without_controls(fmt::format("{}: {}{}", object, problem, repaired.empty() ? "" : " (" + repaired + ")")) +
          "\n");
    if (repaired.empty()) status = 1;
  }
  return status;
}

}  // namespace

const Command kSystemFsck{
    "system fsck", "system fsck [OPTIONS]", "Check the store, and repair it", kOptions, run, 0, 0};

}  // namespace sandbox::cli
