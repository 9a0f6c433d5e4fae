// `start`: starts containers that were created or have ended.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/command_table.h"
#include "sandbox/cli/container_filters.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/create.h"

namespace sandbox::cli {
namespace {

constexpr const char* kNoCheckpoints = "to restore a process from a checkpoint takes root's capabilities";
constexpr RefusedOption kRefusedOptions[] = {{"checkpoint", kNoCheckpoints}, {"checkpoint-dir", kNoCheckpoints}};
constexpr Option kOptions[] = {
    {"all", '\0', nullptr, "Start all containers, or those that the filters choose"},
    {"attach", 'a', nullptr, "Attach STDOUT/STDERR and forward signals"},
    {"detach-keys", '\0', "string", "Override the key sequence for detaching a container"},
    {"filter", 'f', "filter", "Which ones --all starts (e.g. \"should-start-on-boot=true\")"},
    {"interactive", 'i', nullptr, "Attach container's STDIN"},
};

void start_detached(const std::string& name, const Arguments&) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(name);
  if (container::is_up(found.state) && !found.state.paused) return;  // as Docker: nothing to do
  container::wait_started(engine::start_container(places, found));
}

/// With its names in place of --all.
Arguments resolved(const Arguments& given) {
  if (!given.positional.empty()) {
    throw UsageError("either start all containers, or those that are named");
  }
  const Filters filters(given, kContainerFilters);
  Arguments arguments = given;
  for (const auto& one : filtered(filters, find_places())) {
    if (!container::is_up(one.state)) arguments.positional.push_back(one.spec.name);
  }
  return arguments;
}

int run(const Arguments& given) {
  const bool all = given.flag("all");
  if (!all && given.last("filter")) throw UsageError("--filter needs --all");
  if (!all && given.positional.empty()) {
    throw UsageError(fmt::format("'{0} start' requires at least 1 argument\n\nUsage:  {0} start [OPTIONS] CONTAINER "
                                 "[CONTAINER...]\n\nRun '{0} start --help' for more information", program()));
  }
  const bool attached = given.flag("attach") || given.flag("interactive");
  if (all && attached)
    throw UsageError("--all starts containers in the background, without --attach and --interactive");
  if (!attached) return for_each_argument(all ? resolved(given) : given, start_detached);
  if (given.positional.size() > 1) throw UsageError("you cannot start and attach multiple containers at once");
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(given.positional[0]);
  const bool terminal = found.spec.plan.process.terminal;
  const std::string keys = terminal ? detach_keys(given) : std::string();
  Fd supervisor = engine::start_container(places, found);
  const bool input = given.flag("interactive") && found.spec.open_stdin;
  return container::attach(std::move(supervisor),
                           {.forward_stdin = input, .terminal = terminal, .detach_keys = keys});
}

}  // namespace

const Command kStart{"start", "start [OPTIONS] CONTAINER [CONTAINER...]", "Start one or more stopped containers",
                     kOptions, run, 0, -1, true, 1, kRefusedOptions};

}  // namespace sandbox::cli
