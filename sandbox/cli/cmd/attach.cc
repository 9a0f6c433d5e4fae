// `attach`: this terminal on the streams of a running container.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/container/actions.h"
#include "sandbox/container/supervisor.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"detach-keys", '\0', "string", "Override the key sequence for detaching a container"},
    {"no-stdin", '\0', nullptr, "Do not attach STDIN"},
    {"sig-proxy", '\0', nullptr, "Proxy all received signals to the process (default true)"},
};

int run(const Arguments& arguments) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(arguments.positional[0]);
  container::require_possible(container::Action::attach, found.state, found.spec.id);
  const bool terminal = found.spec.plan.process.terminal;
  const bool input = found.spec.open_stdin && !arguments.flag("no-stdin");
  if (terminal && input && ::isatty(STDIN_FILENO) == 0) throw UsageError("the input device is not a TTY");
  return container::attach(container::connect_supervisor(places, found),
                           {.forward_stdin = input,
                            .terminal = terminal,
                            .forward_signals = arguments.text("sig-proxy", "true") == "true",
                            .detach_keys = terminal ? detach_keys(arguments) : std::string()});
}

}  // namespace

const Command kAttach{"attach", "attach [OPTIONS] CONTAINER",
                      "Attach local standard input, output, and error streams to a running container", kOptions, run, 1, 1};

}  // namespace sandbox::cli
