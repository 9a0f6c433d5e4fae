// `unpause`: the freezer of the container's cgroup.
#include "sandbox/cli/command.h"
#include "sandbox/engine/lifecycle.h"

namespace sandbox::cli {
namespace {

void unpause(const std::string& name, const Arguments&) {
  const Places places = find_places();
  engine::pause_container(places, container::ContainerStore(places).find(name), false);
}

int run(const Arguments& arguments) { return for_each_argument(arguments, unpause); }

}  // namespace

const Command kUnpause{"unpause", "unpause CONTAINER [CONTAINER...]", "Unpause all processes within one or more containers", {}, run, 1};

}  // namespace sandbox::cli
