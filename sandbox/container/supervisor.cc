// The process that lives as long as its container. One thread, one poll loop; everything it talks
// to is non-blocking, so that no client can hold the container up, but for its first one, whose
// slowness is passed on to the container rather than losing output.
#include "sandbox/container/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/container_events.h"
#include "sandbox/container/helpers.h"
#include "sandbox/container/log_sink.h"
#include "sandbox/container/network_store.h"
#include "sandbox/container/secret_store.h"
#include "sandbox/container/supervising.h"
#include "sandbox/container/volume_store.h"
#include "userns/launch.h"

namespace sandbox::container {
namespace {

constexpr auto exec_end_time = std::chrono::milliseconds(500);

Fd take_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw SysError(Errno{errno}, "receiving signals");
  return fd;
}

}  // namespace

int exit_code_of(const Error& error, int otherwise) {
  const auto* launch = dynamic_cast<const userns::LaunchError*>(&error);
  return launch != nullptr ? launch->exit_code() : otherwise;
}

Supervisor::Supervisor(const Places& places, Container container, const std::shared_ptr<Connection>& first,
                       std::vector<Fd> passed)
    : places_(places),
      container_(std::move(container)),
      lock_(std::in_place, container_, supervisor_ending_time),
      signals_(take_signals()),
      log_(log_sink(container_)),
      clients_(first),
      passed_(std::move(passed)) {}

void Supervisor::begin_run() {
  auto& spec = container_.spec;
  spec.plan.process.seccomp = read_seccomp(container_);
  add_secret_variables(container_, spec.plan.process.env);
  renew_scratch(spec.plan);
  Stdio stdio = make_stdio(spec.open_stdin);
  stdio.passed = std::exchange(passed_, {});
  watch_.lap("filter and streams");
  std::optional<SharedLock> networks_stay;  // until the state says that we are on them
  if (!spec.attachments.empty()) {
    networks_stay.emplace(NetworkStore(places_).hold_shared());
    join_networks();  // before the cgroup, which is not to have their helpers in it: they may be there for longer
    watch_.lap("joining networks");
  }
  enter_cgroup();  // before the helpers start, which are to be in the same place as we
  watch_.lap("cgroup");
  if (spec.plan.network) network_.emplace(network_config(spec));  // prepares itself while the container is made
  watch_.lap("spawning the network");
  const userns::IdEmulation emulation = spec.plan.identity.emulation;
  if (emulation != userns::IdEmulation::off) {
    owner_.emplace(ownership_config(container_, places_.data));
    spec.plan.process.notifying =
        ownership::notifying_filter(spec.plan.process.capabilities, emulation == userns::IdEmulation::full);
    watch_.lap("spawning the owner helper");
  }
  auto launched = launch(stdio);
  main_ = std::make_unique<Process>(std::move(launched), std::move(stdio));
  watch_.lap("namespaces and mounts");
  if (owner_) owner_->connect(main_->launched().take_user_namespace(), main_->launched().take_root());
  connect_networks();
  watch_.lap("waiting for the network");
  make_places(places_);
  if (clients_.listener() < 0) clients_.listen(control_socket_path(places_, spec.id));
  watch_.lap("control socket");
  if (owner_) {
    owner_->await_ready();
    watch_.lap("waiting for the owner helper");
  }
  main_->launched().start(take_listener(spec.plan.process));
  watch_.lap("exec");
  state_.status = Status::running;
  answer_for(state_);
  state_.pid = main_->pid();
  state_.pid_start = process_start_time(state_.pid);
  state_.started = std::time(nullptr);
  state_.restart_count = restarts_.count();
  state_.health = spec.health.argv.empty() ? Health::none : Health::starting;
  started_ = Clock::now();
  ContainerStore(places_).write_state(container_, state_);
  watch_.lap("state");
  record_container_event(places_, spec, "start");
  if (!spec.health.argv.empty()) health_.emplace(spec.health, started_);
  clients_.first()->queue(FrameType::started, watch_.text("supervisor"));
  follow_early_changes();
}

void Supervisor::run() {
  do {
    do {
      poll_once();
    } while (!finished(Clock::now()));
  } while (start_again());
  finish();
}

void Supervisor::watch_process(std::vector<Watch>& list, Process& process, const std::shared_ptr<Connection>& client,
                               bool main) {
  // After the process's end only what is left in the pipes comes, so there is no need to hold it back.
  const std::size_t bound = process.exited() ? 4 * Clients::bound : Clients::bound;
  const bool held_back = client->open() && client->queued() >= bound;
  // The last in the list is read first: of what a process has just written to both, output goes before complaints.
  for (const Stream stream : {Stream::err, Stream::out}) {
    const int fd = stream == Stream::out ? process.out() : process.err();
    if (fd < 0 || held_back || !process.readable_now(Clock::now())) continue;
    list.push_back({fd, POLLIN, [this, &process, client, main, stream](short) {
                      process.read(stream, [&](std::string_view data) {
                        if (main) return deliver(stream, data);
                        client->queue(output_frame(stream), data);
                      });
                    }});
  }
  if (process.has_input() && process.input() >= 0) {
    list.push_back({process.input(), POLLOUT, [&process](short) { process.write_input(); }});
  }
}

std::vector<Supervisor::Watch> Supervisor::watches(Clock::time_point) {
  std::vector<Watch> list;
  list.push_back({signals_.get(), POLLIN, [this](short) { handle_signals(); }});
  list.push_back({clients_.listener(), POLLIN, [this](short) { clients_.accept(); }});
  for (const int channel : networks_ ? networks_->channels() : std::vector<int>()) {
    list.push_back({channel, POLLIN | POLLRDHUP, [this, channel](short) { lose_network(channel); }});
  }
  if (main_) watch_process(list, *main_, clients_.first(), true);
  for (auto& exec : execs_) watch_process(list, *exec.process, exec.client, false);
  if (check_) {
    for (const Stream stream : {Stream::out, Stream::err}) {
      const int fd = stream == Stream::out ? check_->process->out() : check_->process->err();
      if (fd >= 0) list.push_back({fd, POLLIN, [this, stream](short) { read_check(stream); }});
    }
  }
  for (const auto& client : clients_.all()) {
    const auto events = static_cast<short>(POLLIN | (client->queued() > 0 ? POLLOUT : 0));
    list.push_back({client->fd(), events, [this, client](short revents) {
                      if (revents & POLLOUT) client->flush();
                      if (revents & ~POLLOUT) serve(client);
                    }});
  }
  return list;
}

int Supervisor::timeout(Clock::time_point now) const {
  constexpr int soon = 20;  // milliseconds: a deadline is near
  bool waiting = main_ && (main_->exited() || !main_->readable_now(now));
  for (const auto& exec : execs_) waiting = waiting || exec.process->exited() || !exec.process->readable_now(now);
  if (waiting || (check_ && check_->process->exited())) return soon;
  auto wake = next_start_ ? next_start_ : health_wake();
  for (const auto& other : {kill_at_, rejoin_at_}) {
    if (other && (!wake || *other < *wake)) wake = other;
  }
  if (!wake) return -1;
  constexpr std::int64_t longest = 3'600'000;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wake - now).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, longest));
}

void Supervisor::poll_once() {
  const auto now = Clock::now();
  const auto list = watches(now);
  std::vector<pollfd> items;
  for (const auto& watch : list) items.push_back({watch.fd, watch.events, 0});
  if (::poll(items.data(), items.size(), timeout(now)) < 0 && errno != EINTR) {
    throw SysError(Errno{errno}, "waiting for the container");
  }
  // Readers before the signals: what a process wrote last is seen before its end. Objects are only
  // dropped in sweep(), so every watch stays valid through this loop.
  for (std::size_t i = items.size(); i-- > 0;) {
    if (items[i].revents != 0) list[i].ready(items[i].revents);
  }
  // An owner stays connected as long as it lives.
  if (container_.spec.owner.pid != 0 && !clients_.first()->open() && !main_->exited()) main_->signal(SIGKILL);
  if (kill_at_ && Clock::now() >= *kill_at_) {
    main_->signal(SIGKILL);
    kill_at_.reset();
  }
  if (rejoin_at_ && Clock::now() >= *rejoin_at_) rejoin_networks();
  sweep(Clock::now());
}

void Supervisor::handle_signals() {
  signalfd_siginfo info{};
  for (;;) {
    const auto size = sys::read(signals_.get(), &info, sizeof info);
    if (!size || *size != sizeof info) break;
    if (info.ssi_signo == SIGCHLD) continue;
    stopped_ = true;
    if (main_) main_->signal(static_cast<int>(info.ssi_signo));
  }
  reap();
}

void Supervisor::reap() {
  int status = 0;
  pid_t pid = 0;
  // As a subreaper we also get orphans, which nobody else asks about.
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    if (main_ && pid == main_->pid()) main_->set_exited(status);
    if (pid == overlay_.pid) {
      overlay_ = {};
      helper_lost("the root file system's server", status);
    }
    if (owner_ && pid == owner_->pid()) {
      owner_.reset();
      helper_lost("the owner helper", status);
    }
    for (auto& exec : execs_) {
      if (pid == exec.process->pid()) exec.process->set_exited(status);
    }
    if (check_ && pid == check_->process->pid()) check_->process->set_exited(status);
  }
}

/// Without its server every access to the root fails, so the container can't even end by itself; without that of owners
/// programs are told that they have no user.
void Supervisor::helper_lost(const char* what, int status) {
  // Status 0: the mount is gone, since the container's last process is; its own status may come after this one.
  if (status == 0) return;
  failure_ = WIFSIGNALED(status) ? fmt::format("{} was killed by signal {}", what, WTERMSIG(status))
                                 : fmt::format("{} ended with status {}", what, WEXITSTATUS(status));
  deliver(Stream::err, fmt::format("sandbox: {}\n", failure_));
  main_->signal(SIGKILL);  // unless a page of its program that it can't read any more has ended it (SIGBUS)
}

void Supervisor::deliver(Stream stream, std::string_view data) {
  log_.append(stream, data);
  clients_.show_output(stream, data);
}

void Supervisor::sweep(Clock::time_point now) {
  std::erase_if(execs_, [&](const Exec& exec) {
    if (!exec.process->finished(now)) return false;
    exec.client->queue(FrameType::exit_status, encode_code(exec.process->exit_code()));
    record_container_event(places_, container_.spec, "exec_die",
                           {{"execID", exec.id}, {"exitCode", fmt::format("{}", exec.process->exit_code())}});
    return true;
  });
  end_held_pause();
  clients_.drop_closed();
  if (health_) tend_health(now);
}

bool Supervisor::finished(Clock::time_point now) const {
  if (!main_->finished(now)) return false;
  return execs_.empty() || now >= main_->drain_deadline() + exec_end_time;
}

/// A run of the container has ended, and its cgroup has been looked at.
void Supervisor::tell_end(int exit_code) {
  if (state_.oom_killed) record_container_event(places_, container_.spec, "oom");
  const auto ran = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started_).count();
  record_container_event(places_, container_.spec, "die",
                         {{"exitCode", fmt::format("{}", exit_code)}, {"execDuration", fmt::format("{}", ran)}});
}

/// What one run of the container needed, so that the next one finds the world as it was.
void Supervisor::release() {
  stop_checks();
  for (const auto& exec : execs_) exec.client->queue(FrameType::exit_status, encode_code(137));
  execs_.clear();
  leave_networks();
  network_.reset();
  networks_.reset();
  rejoin_at_.reset();
  container_.spec.plan.interfaces.clear();
  owner_.reset();
  leave_cgroup();
  own_processes_.reset();
  main_.reset();
  const pid_t overlay = overlay_.pid;
  overlay_ = {};
  if (overlay > 0) (void)::waitpid(overlay, nullptr, 0);  // it lets go of the layers
  state_.host_ports.clear();
}

/// What `update` and `rename` have changed meanwhile.
void Supervisor::read_changes() {
  try {
    const auto now = ContainerStore(places_).read(container_.spec.id);
    if (!now) return;
    container_.spec.name = now->spec.name;
    container_.spec.restart = now->spec.restart;
    container_.spec.limits = now->spec.limits;
  } catch (const Error&) {
    // It has been damaged: what we know counts.
  }
}

/// What the policy says after an end. True when the container runs again; otherwise it has stayed ended, and where it
/// could not start its last end counts.
bool Supervisor::start_again() {
  read_changes();
  const auto ran = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_);
  const auto pause =
      failure_.empty() ? restarts_.after(container_.spec.restart, main_->exit_code(), ran, stopped_) : std::nullopt;
  if (!pause) return false;
  be_between_runs(Clock::now() + *pause);
  if (stopped_) return false;
  try {
    start();
    return true;
  } catch (const Error& error) {
    release();
    failure_ = error.what();
    last_exit_code_ = exit_code_of(error, 125);
    return false;
  }
}

/// Clients see the end of a run; those who come now can do little but end the container for good.
void Supervisor::be_between_runs(Clock::time_point until) {
  log_.finish();
  last_exit_code_ = main_->exit_code();
  state_.status = Status::restarting;
  state_.pid = 0;
  state_.pid_start = 0;
  state_.paused = false;
  state_.exit_code = last_exit_code_;
  state_.finished = std::time(nullptr);
  state_.restart_count = restarts_.count();
  release();
  ContainerStore(places_).write_state(container_, state_);
  tell_end(last_exit_code_);
  clients_.tell_all(FrameType::exit_status, encode_code(last_exit_code_));
  clients_.flush();
  clients_.drop_all();
  next_start_ = until;
  while (!stopped_ && Clock::now() < until) poll_once();
  next_start_.reset();
}

void Supervisor::finish() {
  stop_checks();
  if (main_) last_exit_code_ = main_->exit_code();
  for (const auto& exec : execs_) exec.client->queue(FrameType::exit_status, encode_code(137));
  execs_.clear();
  log_.finish();
  end(last_exit_code_, failure_);
  clients_.tell_all(FrameType::exit_status, encode_code(last_exit_code_));
  clients_.flush();
  purge();
}

void Supervisor::fail(const Error& error) {
  main_.reset();  // kills what has not started
  const int exit_code = exit_code_of(error, 125);
  end(exit_code, error.what());
  clients_.first()->queue(FrameType::start_failure, encode_failure({error.what(), exit_code, error.hint()}));
  clients_.flush();
  purge();
}

/// Leaves the world as if nobody were here; clients learn of the end only after that, so that a
/// command that follows finds the ports, the socket and (--rm) the name free.
void Supervisor::end(int exit_code, const std::string& error) {
  leave_networks();
  overlay_ = {};
  owner_.reset();
  state_.status = Status::exited;
  state_.pid = 0;
  state_.paused = false;
  state_.exit_code = exit_code;
  state_.finished = std::time(nullptr);
  state_.error = error;
  const ContainerStore store(places_);
  try {
    leave_cgroup();
    own_processes_.reset();
    reap();  // those that it was left with: their pid namespace may be another container's, which waits for that
    if (!container_.spec.auto_remove) store.write_state(container_, state_);
  } catch (const Error&) {
    // The exit status matters more to the client; a state that still says "running" is seen
    // through as soon as we are gone.
  }
  if (state_.started != 0) tell_end(exit_code);
  clients_.stop_listening();
  lock_.reset();
  try {
    if (container_.spec.auto_remove) {
      const VolumeStore volumes(places_);
      volumes.announce_end(container_.spec);
      if (!store.retire(container_)) store.purge(container_);
      volumes.remove_unused_anonymous(volumes.volumes_of(container_.spec));
    }
  } catch (const Error&) {
    // What is left of it is swept by the next command that makes or removes a container.
  }
}

/// The little that an `--rm` container may still have on the disk: nobody has to wait for that.
void Supervisor::purge() {
  try {
    if (container_.spec.auto_remove) ContainerStore(places_).purge(container_);
  } catch (const Error&) {
    // as above
  }
}

namespace {

void prepare_process() {
  (void)::setsid();
  ::prctl(PR_SET_NAME, "sbx:supervisor");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(SIGPIPE, SIG_IGN);
}

/// What a client is told of whom we could not serve: that it has been removed meanwhile, if so.
StartFailure failure_of(const Places& places, const std::string& id, const Error& error) {
  try {
    (void)ContainerStore(places).find(id);
  } catch (const NotFound& gone) {
    return {gone.what(), 125};
  }
  return {error.what(), 125, error.hint()};
}

}  // namespace

int supervisor_main(const Places& places, const std::string& id, Fd first_client, std::vector<Fd> passed) {
  const auto first = std::make_shared<Connection>(std::move(first_client));
  try {
    prepare_process();
    Supervisor supervisor(places, ContainerStore(places).find(id), first, std::move(passed));
    try {
      supervisor.start();
    } catch (const Error& error) {
      supervisor.fail(error);
      return 0;
    }
    supervisor.run();
    return 0;
  } catch (const Error& error) {
    first->queue(FrameType::start_failure, encode_failure(failure_of(places, id, error)));
    return 125;
  } catch (const std::exception& error) {
    first->queue(FrameType::start_failure, encode_failure({error.what(), 125, {}}));
    return 125;
  }
}

}  // namespace sandbox::container
