// `restart`: `stop`, then `start`.
#include "sandbox/cli/command.h"
#include "sandbox/cli/cmd/stop_options.h"
#include "sandbox/container/container_events.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/create.h"

namespace sandbox::cli {
namespace {

void restart(const std::string& name, const Arguments& arguments) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(name);
  stop_as_asked(places, found, arguments);
  container::wait_started(engine::start_container(places, container::ContainerStore(places).find(found.spec.id)));
  container::record_container_event(places, found.spec, "restart");
}

int run(const Arguments& arguments) { return for_each_argument(arguments, restart); }

}  // namespace

const Command kRestart{"restart", "restart [OPTIONS] CONTAINER [CONTAINER...]", "Restart containers", kStopOptions, run, 1};

}  // namespace sandbox::cli
