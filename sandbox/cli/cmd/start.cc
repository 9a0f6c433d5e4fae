// `start`: starts containers that were created or have ended.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/create.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"attach", 'a', nullptr, "Attach STDOUT/STDERR and forward signals"},
    {"interactive", 'i', nullptr, "Attach container's STDIN"},
};

void start_detached(const std::string& name, const Arguments&) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(name);
  if (container::is_up(found.state) && !found.state.paused) return;  // as Docker: nothing to do
  container::wait_started(engine::start_container(places, found));
}

int run(const Arguments& arguments) {
  if (!arguments.flag("attach") && !arguments.flag("interactive")) return for_each_argument(arguments, start_detached);
  if (arguments.positional.size() > 1) throw UsageError("you cannot start and attach multiple containers at once");
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(arguments.positional[0]);
  Fd supervisor = engine::start_container(places, found);
  const bool input = arguments.flag("interactive") && found.spec.open_stdin;
  return container::attach(std::move(supervisor), {.forward_stdin = input, .terminal = found.spec.plan.process.terminal});
}

}  // namespace

const Command kStart{"start", "start [OPTIONS] CONTAINER [CONTAINER...]", "Start one or more stopped containers", kOptions,
                     run, 1};

}  // namespace sandbox::cli
