// `ps`: containers as Docker's table.
#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"all", 'a', nullptr, "Show all containers (default shows just running)"},
    {"no-trunc", '\0', nullptr, "Don't truncate output"},
    {"quiet", 'q', nullptr, "Only display container IDs"},
};

int run(const Arguments& arguments) {
  auto containers = container::ContainerStore(find_places()).list_swept();
  if (!arguments.flag("all")) {
    std::erase_if(containers, [](const auto& entry) { return entry.state.status != container::Status::running; });
  }
  const bool whole = arguments.flag("no-trunc");
  if (!arguments.flag("quiet")) {
    print(render_ps(containers, whole, ::time(nullptr)));
    return 0;
  }
  for (const auto& entry : containers) print((whole ? entry.spec.id : short_id(entry.spec.id)) + "\n");
  return 0;
}

}  // namespace

const Command kPs{"ps", "ps [OPTIONS]", "List containers", kOptions, run, 0, 0};

}  // namespace sandbox::cli
