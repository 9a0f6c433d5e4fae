// `pause`: the freezer of the container's cgroup.
#include "sandbox/cli/command.h"
#include "sandbox/engine/lifecycle.h"

namespace sandbox::cli {
namespace {

void pause(const std::string& name, const Arguments&) {
  const Places places = find_places();
  engine::pause_container(places, container::ContainerStore(places).find(name), true);
}

int run(const Arguments& arguments) { return for_each_argument(arguments, pause); }

}  // namespace

const Command kPause{"pause", "pause CONTAINER [CONTAINER...]", "Pause all processes within one or more containers", {}, run, 1};

}  // namespace sandbox::cli
