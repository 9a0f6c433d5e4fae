// `run`: makes and starts a container, and stays with it until it ends.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/cmd/run_options.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/cli/passed_descriptors.h"
#include "sandbox/cli/profile_arguments.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/container/terminal.h"
#include "sandbox/engine/create.h"

namespace sandbox::cli {
namespace {

int print_plan(const Places& places, const engine::RunRequest& request, Stopwatch& watch) {
  const container::Spec spec = engine::decide(places, request, notice, watch).spec;
  print(container::to_json(spec.plan).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (request.timings) print_timings(watch.text("client"));
  return 0;
}

Fd create_and_start(const Places& places, const engine::RunRequest& request, const engine::Decision& decision,
                    const std::vector<int>& passed, std::string& id, Stopwatch& watch) {
  const container::Container created = engine::create_container(places, request, decision, watch, true);
  id = created.spec.id;
  const container::ContainerStore store(places);
  Fd supervisor;
  try {
    supervisor = engine::start_container(places, created, passed);
  } catch (...) {
    store.remove(created);  // it never ran: nothing of it is worth keeping
    throw;
  }
  // The disk takes its time while the supervisor works. An --rm container ends with the machine.
  if (!created.spec.auto_remove) store.make_durable(created);
  return supervisor;
}

/// Stays with the container as the request says. `started` gets the supervisor's report when the container runs.
int accompany(Fd supervisor, const Arguments& arguments, const engine::RunRequest& request, const std::string& id,
              const std::string& keys, const std::function<void(const std::string&)>& started) {
  const AttachedStreams streams = attached_streams(arguments);
  if (request.detach) {
    started(container::wait_started(std::move(supervisor)));
    print(id + "\n");
    return 0;
  }
  const bool blind = !streams.out && !streams.err;
  const auto told = [&](const std::string& report) {
    started(report);
    if (blind) print(id + "\n");  // as Docker: somebody has to find it
  };
  return container::attach(std::move(supervisor),
                           {.forward_stdin = request.interactive && streams.in,
                            .show_output = streams.out,
                            .show_errors = streams.err,
                            .terminal = request.terminal,
                            .forward_signals = arguments.text("sig-proxy", "true") == "true",
                            .detach_keys = keys,
                            .own_process = true,
                            .ends_unread = request.auto_remove,
                            .started = told});
}

int run(const Arguments& given) {
  Stopwatch watch;
  const Arguments arguments = with_profile(given, kRunOptions, "run");
  const std::vector<int> passed = passed_descriptors(arguments);
  const engine::RunRequest request = run_request(arguments, "run");
  if (request.terminal && request.interactive && !request.detach && ::isatty(STDIN_FILENO) == 0) {
    throw UsageError("the input device is not a TTY");
  }
  const std::string keys = request.terminal ? detach_keys(arguments)
                                            : container::parse_detach_keys(arguments.text("detach-keys"));
  const Places places = find_places();
  make_places(places);
  watch.lap("places");
  if (request.print_plan) return print_plan(places, request, watch);
  const engine::Decision decision = engine::decide(places, request, arguments.flag("quiet") ? silence : notice, watch);
  const container::HeldSignals held;
  std::string id;
  Fd supervisor = create_and_start(places, request, decision, passed, id, watch);
  close_passed(passed);
  watch.lap("spawning the supervisor");
  std::string report;
  const int status = accompany(std::move(supervisor), arguments, request, id, keys, [&](const std::string& supervisors) {
    watch.lap("until the start");
    report = supervisors;
  });
  watch.lap("until the end");
  if (request.timings) print_timings(watch.text("client") + report);
  return status;
}

}  // namespace

const Command kRun{"run", "run [OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image",
                   kRunOptions, run, 0, -1, false, 125, kRefusedRunOptions};

}  // namespace sandbox::cli
