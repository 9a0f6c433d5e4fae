// See lifecycle.h. Runs in the client.
#include "sandbox/engine/lifecycle.h"

#include <signal.h>
#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/container/actions.h"
#include "sandbox/container/container_events.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/container/supervisor_lock.h"

namespace sandbox::engine {
namespace {

constexpr int kPollsPerSecond = 50;
constexpr int kKillGrace = 10;

void pause_between_polls() {
  const timespec pause{0, 1'000'000'000 / kPollsPerSecond};
  ::nanosleep(&pause, nullptr);
}

}  // namespace

void signal_container(const Places& places, const container::Container& container, int signal) {
  const Fd supervisor = container::connect_supervisor(places, container);
  container::request_signal(supervisor.get(), signal);
  container::record_container_event(places, container.spec, "kill", {{"signal", fmt::format("{}", signal)}});
}

void pause_container(const Places& places, const container::Container& container, bool on) {
  container::require_possible(on ? container::Action::pause : container::Action::unpause, container.state,
                              container.spec.id);
  const Fd supervisor = container::connect_supervisor(places, container);
  container::request_pause(supervisor.get(), on ? container::Pause::on : container::Pause::off);
}

bool wait_until_ended(const container::ContainerStore& store, const std::string& id, int seconds) {
  for (int poll = 0; seconds < 0 || poll <= seconds * kPollsPerSecond; ++poll) {
    try {
      if (!container::is_up(store.find(id).state)) return true;
    } catch (const NotFound&) {
      return true;  // --rm
    }
    pause_between_polls();
  }
  return false;
}

namespace {

void end_container(const Places& places, const container::Container& container, int signal, int seconds) {
  const container::ContainerStore store(places);
  for (const int next : {signal, SIGKILL}) {
    if (container::supervisor_hangs(container)) break;  // nobody would pass the signal on
    try {
      signal_container(places, container, next);
    } catch (const Conflict&) {
      // It ended by itself meanwhile; the wait below sees that.
    }
    if (wait_until_ended(store, container.spec.id, next == SIGKILL ? kKillGrace : seconds)) return;
  }
  // Its supervisor does not answer (it is stopped, or stuck): it goes, and the container with it.
  container::kill_supervisor(container);
  if (wait_until_ended(store, container.spec.id, kKillGrace)) return container::record_stop(store, container);
  throw Error(fmt::format("container {} did not end after SIGKILL", container.spec.name));
}

}  // namespace

void stop_container(const Places& places, const container::Container& container, int signal, int seconds) {
  if (!container::is_up(container.state)) return;
  end_container(places, container, signal, seconds);
  container::record_container_event(places, container.spec, "stop");
}

void force_remove(const Places& places, const std::string& id) {
  const container::ContainerStore store(places);
  for (int polls = kKillGrace * kPollsPerSecond;; --polls) {
    try {
      const auto found = store.find(id);
      if (container::is_up(found.state)) end_container(places, found, SIGKILL, 0);
      return store.remove(store.find(id));
    } catch (const NotFound&) {
      return;  // --rm: its supervisor was quicker
    } catch (const Conflict&) {
      // It is just being started: it will be running soon, unless its supervisor hangs.
      if (polls < 0) throw;
      const auto starting = store.find(id);
      if (polls == 0 || container::supervisor_hangs(starting)) container::kill_supervisor(starting);
    }
    pause_between_polls();
  }
}

}  // namespace sandbox::engine
