// `kill`: one signal, at once.
#include <signal.h>

#include "sandbox/base/error.h"
#include "sandbox/base/signal_name.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/actions.h"
#include "sandbox/engine/lifecycle.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr int kGrace = 10;  // seconds

constexpr Option kOptions[] = {{"signal", 's', "string", "Signal to send to the container (default \"KILL\")"}};

void kill_one(const std::string& name, const Arguments& arguments) {
  const Places places = find_places();
  const container::ContainerStore store(places);
  const auto found = store.find(name);
  const int signal = parse_signal(arguments.text("signal", "KILL"));
  try {
    container::require_possible(container::Action::kill, found.state, found.spec.id);
  } catch (const Conflict& reason) {
    throw Conflict(fmt::format("cannot kill container: {}: {}", name, reason.what()));
  }
  engine::signal_container(places, found, signal);
  // Docker's returns when the container has ended: scripts remove it next.
  if (signal == SIGKILL && !engine::wait_until_ended(store, found.spec.id, kGrace)) {
    throw Error(fmt::format("container {} did not end after SIGKILL", name));
  }
}

int run(const Arguments& arguments) { return for_each_argument(arguments, kill_one); }

}  // namespace

const Command kKill{"kill", "kill [OPTIONS] CONTAINER [CONTAINER...]", "Kill running containers", kOptions, run, 1};

}  // namespace sandbox::cli
