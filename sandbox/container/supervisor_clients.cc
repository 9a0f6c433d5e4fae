// What the clients of a supervisor ask for: input, signals, further processes, a pause. Runs in the supervisor.
#include <errno.h>
#include <sys/wait.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/container/actions.h"
#include "sandbox/container/container_events.h"
#include "sandbox/container/helpers.h"
#include "sandbox/container/supervising.h"
#include "userns/launch.h"

namespace sandbox::container {

Exec* Supervisor::exec_of(const std::shared_ptr<Connection>& client) {
  const auto found =
      std::find_if(execs_.begin(), execs_.end(), [&](const Exec& exec) { return exec.client == client; });
  return found == execs_.end() ? nullptr : &*found;
}

void Supervisor::serve(const std::shared_ptr<Connection>& client) {
  client->receive();
  while (const auto frame = client->next()) {
    try {
      handle(client, *frame);
    } catch (const Error&) {
      client->give_up();  // it breaks the protocol
    }
  }
}

void Supervisor::handle(const std::shared_ptr<Connection>& client, const Frame& frame) {
  Exec* exec = exec_of(client);
  Process* process = exec != nullptr ? exec->process.get() : main_.get();  // null between two runs of the container
  switch (frame.type) {
    case FrameType::attach:
      if (exec != nullptr || client->foreground) break;
      client->subscribed = true;
      record_container_event(places_, container_.spec, "attach");
      break;
    case FrameType::stdin_data:
      if (process == nullptr) break;
      if (process->pending_input() > Clients::bound) throw InvalidInput("more input than the window allows");
      process->queue_input(frame.payload, client);
      break;
    case FrameType::stdin_eof:
      if (process != nullptr) process->end_input();
      break;
    case FrameType::resize: {
      if (frame.payload.size() != 4) throw InvalidInput("a resize of the wrong size");
      const std::uint32_t size = decode_u32(frame.payload);
      if (process == nullptr) break;
      process->resize(static_cast<unsigned short>(size & 0xFFFF), static_cast<unsigned short>(size >> 16));
      break;
    }
    case FrameType::signal:
      if (frame.payload.size() != 1) throw InvalidInput("a signal of the wrong size");
      if (process != nullptr) process->signal(frame.payload[0]);
      if (exec == nullptr) end_asked(frame.payload[0]);
      break;
    case FrameType::output_unread:
      if (frame.payload.size() != 1) throw InvalidInput("a stream of the wrong size");
      if (process != nullptr) lose_reader(client, *process, frame.payload[0] == 0 ? Stream::out : Stream::err);
      break;
    case FrameType::pause:
      if (frame.payload.size() != 1) throw InvalidInput("a pause of the wrong size");
      pause(client, static_cast<Pause>(frame.payload[0]));
      break;
    case FrameType::network:
      change_networks(client, frame.payload);
      break;
    case FrameType::exec_request:
      if (exec != nullptr) throw InvalidInput("a second process on one connection");
      start_exec(client, frame);
      break;
    default:
      throw InvalidInput("not a client's frame");
  }
}

/// As Docker: who is asked to end must be able to, and does not come back.
void Supervisor::end_asked(int signal) {
  if (signal != SIGKILL && signal != container_.spec.stop_signal) return;
  stopped_ = state_.stop_asked = true;
  if (state_.paused) freeze(false);
}

/// What an `exec` has started meets a closed pipe, as in any pipeline. So does a container that goes with its end, and
/// since it may not care, it is stopped as well; one that stays goes on: its log is read later.
void Supervisor::lose_reader(const std::shared_ptr<Connection>& client, Process& process, Stream stream) {
  const bool is_main = &process == main_.get();
  if (is_main && (client != clients_.first() || !container_.spec.auto_remove)) return;
  process.close_output(stream);
  if (!is_main || kill_at_) return;
  process.signal(container_.spec.stop_signal);
  end_asked(container_.spec.stop_signal);
  if (container_.spec.stop_timeout >= 0) kill_at_ = Clock::now() + std::chrono::seconds(container_.spec.stop_timeout);
}

void Supervisor::start_exec(const std::shared_ptr<Connection>& client, const Frame& frame) {
  const ExecRequest request = decode_exec(frame.payload);
  client->foreground = false;
  client->subscribed = false;
  const auto not_running = [&] {
    return StartFailure(fmt::format("container {} is not running", container_.spec.name), 1);
  };
  try {
    require_possible(Action::exec, state_, container_.spec.name);
    if (main_->has_ended()) throw not_running();
    Stdio stdio = make_stdio(request.open_stdin);
    stdio.passed = client->take_descriptors();
    if (stdio.passed.size() != request.passed) throw Error("not all file descriptors could be passed on");
    userns::ProcessPlan process = request.process;
    process.notifying = container_.spec.plan.process.notifying;
    auto launched = join(process, stdio);
    std::string words, id = random_hex(64);
    for (const auto& word : process.argv) words += " " + word;
    launched.start(take_listener(process));
    record_container_event(places_, container_.spec, "exec_create:" + words, {{"execID", id}});
    record_container_event(places_, container_.spec, "exec_start:" + words, {{"execID", id}});
    execs_.push_back({std::make_unique<Process>(std::move(launched), std::move(stdio)), client, std::move(id)});
    client->queue(FrameType::started);
  } catch (const Error& error) {
    // What is missing when the first process ends meanwhile is one thing or another. Between two runs there is none.
    const bool has_ended = main_ != nullptr && main_->has_ended();
    const StartFailure failure{error.what(), exit_code_of(error, 126), error.hint()};
    client->queue(FrameType::start_failure, encode_failure(has_ended ? not_running() : failure));
  }
}

userns::TakeListener Supervisor::take_listener(const userns::ProcessPlan& process) {
  if (!owner_) return {};
  return [this, ids = played_ids(process)](Fd listener) { owner_->serve(std::move(listener), ids); };
}

void Supervisor::freeze(bool on) {
  if (on) drop_check();
  cgroup_->freeze(on);
  state_.paused = on;
  ContainerStore(places_).write_state(container_, state_);
}

void Supervisor::pause(const std::shared_ptr<Connection>& client, Pause wish) {
  const bool on = wish != Pause::off;
  try {
    require_possible(on ? Action::pause : Action::unpause, state_, container_.spec.name);
    if (!cgroup_) {
      throw Unsupported(fmt::format("container {} can't be paused: it has no cgroup of its own", container_.spec.name),
                        "see 'sandbox doctor' for what delegates cgroups to you");
    }
    freeze(on);
    pause_held_by_ = wish == Pause::hold ? client : nullptr;
    record_container_event(places_, container_.spec, on ? "pause" : "unpause");
    client->queue(FrameType::done);
  } catch (const Error& error) {
    client->queue(FrameType::start_failure, encode_failure({error.what(), 1, error.hint()}));
  }
}

void Supervisor::end_held_pause() {
  if (!pause_held_by_ || pause_held_by_->open()) return;
  pause_held_by_ = nullptr;
  if (!state_.paused) return;  // it was killed meanwhile
  try {
    freeze(false);
    record_container_event(places_, container_.spec, "unpause");
  } catch (const Error&) {
    // It stays paused, as everybody sees, until somebody says `unpause`.
  }
}

}  // namespace sandbox::container
