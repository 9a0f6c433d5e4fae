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

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/stopwatch.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/cgroup/container_cgroup.h"
#include "sandbox/container/clients.h"
#include "sandbox/container/connection.h"
#include "sandbox/container/helpers.h"
#include "sandbox/container/log_file.h"
#include "sandbox/container/process_streams.h"
#include "sandbox/container/protocol.h"
#include "sandbox/container/volume_store.h"
#include "userns/launch.h"

namespace sandbox::container {
namespace {

constexpr auto exec_end_time = std::chrono::milliseconds(500);

std::string encode_code(int code) { return std::string(1, static_cast<char>(code)); }

int exit_code_of(const Error& error, int otherwise) {
  const auto* launch = dynamic_cast<const userns::LaunchError*>(&error);
  return launch != nullptr ? launch->exit_code() : otherwise;
}

Fd take_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw SysError(Errno{errno}, "receiving signals");
  return fd;
}

/// An `exec`, bound to the connection that asked for it.
struct Exec {
  std::unique_ptr<Process> process;
  std::shared_ptr<Connection> client;
};

class Supervisor {
 public:
  Supervisor(const Places& places, Container container, const std::shared_ptr<Connection>& first)
      : places_(places),
        container_(std::move(container)),
        lock_(std::in_place, container_, supervisor_ending_time),
        signals_(take_signals()),
        log_(log_path(container_)),
        clients_(first) {}

  void start();
  void run();
  /// The end of a container that never ran.
  void fail(const Error& error);

 private:
  struct Watch {
    int fd;
    short events;
    std::function<void(short)> ready;
  };

  std::vector<Watch> watches(Clock::time_point now);
  void enter_cgroup();
  int cgroup_fd() const { return cgroup_ ? cgroup_->fd() : -1; }
  void leave_cgroup();
  void watch_process(std::vector<Watch>& list, Process& process, const std::shared_ptr<Connection>& client, bool main);
  int timeout(Clock::time_point now) const;
  void poll_once();
  void handle_signals();
  void reap();
  userns::TakeListener take_listener(const userns::ProcessPlan& process);
  void helper_lost(const char* what, int status);
  void serve(const std::shared_ptr<Connection>& client);
  void handle(const std::shared_ptr<Connection>& client, const Frame& frame);
  void start_exec(const std::shared_ptr<Connection>& client, const Frame& frame);
  void pause(const std::shared_ptr<Connection>& client, bool on);
  void freeze(bool on);
  Exec* exec_of(const std::shared_ptr<Connection>& client);
  void deliver(Stream stream, std::string_view data);
  void sweep(Clock::time_point now);
  bool finished(Clock::time_point now) const;
  void finish();
  void end(int exit_code, const std::string& error);
  void purge();

  Places places_;
  Container container_;
  std::optional<SupervisorLock> lock_;
  Fd signals_;
  LogWriter log_;
  std::optional<cgroup::ContainerCgroup> cgroup_;
  Clients clients_;
  std::unique_ptr<Process> main_;
  std::vector<Exec> execs_;
  std::optional<netstack::Helper> network_;
  std::optional<ownership::Helper> owner_;  ///< Answers for owners and ids.
  HelperProcess overlay_;  ///< Serves the root; pid -1 where the kernel does, or when it has died.
  std::string failure_;    ///< Why the container was ended by us.
  State state_;
  Stopwatch watch_;
};

void Supervisor::enter_cgroup() {
  const Spec& spec = container_.spec;
  auto established = cgroup::establish(spec.id, spec.limits, spec.limits_best_effort,
                                       [&](const std::string& path) { record_cgroup(container_, path); });
  for (const auto& warning : established.warnings) clients_.first()->queue(FrameType::stderr_data, "WARNING: " + warning + "\n");
  if (established.cgroup) cgroup_.emplace(std::move(*established.cgroup));
}

void Supervisor::leave_cgroup() {
  if (!cgroup_) return;
  state_.oom_killed = cgroup_->oom_kills() > 0;
  cgroup_.reset();
  record_cgroup(container_, "");
}

void Supervisor::start() {
  auto& spec = container_.spec;
  spec.plan.process.seccomp = read_seccomp(container_);
  Stdio stdio = make_stdio(spec.open_stdin);
  watch_.lap("filter and streams");
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
  auto launched = userns::Launched::begin(spec.plan, stdio.child(), launch_hooks(spec.plan, overlay_), {cgroup_fd(), {}});
  main_ = std::make_unique<Process>(std::move(launched), std::move(stdio));
  watch_.lap("namespaces and mounts");
  if (owner_) owner_->connect(main_->launched().take_user_namespace(), main_->launched().take_root());
  if (network_) state_.host_ports = network_->connect(main_->launched().take_nic());
  watch_.lap("waiting for the network");
  make_places(places_);
  clients_.listen(control_socket_path(places_, spec.id));
  watch_.lap("control socket");
  if (owner_) {
    owner_->await_ready();
    watch_.lap("waiting for the owner helper");
  }
  main_->launched().start(take_listener(spec.plan.process));
  watch_.lap("exec");
  state_.status = Status::running;
  state_.supervisor_pid = ::getpid();
  state_.supervisor_start = process_start_time(::getpid());
  state_.pid = main_->pid();
  state_.pid_start = process_start_time(state_.pid);
  state_.started = std::time(nullptr);
  ContainerStore(places_).write_state(container_, state_);
  watch_.lap("state");
  clients_.first()->queue(FrameType::started, watch_.text("supervisor"));
}

void Supervisor::run() {
  do {
    poll_once();
  } while (!finished(Clock::now()));
  finish();
}

void Supervisor::watch_process(std::vector<Watch>& list, Process& process, const std::shared_ptr<Connection>& client,
                               bool main) {
  // After the process's end only what is left in the pipes comes, so there is no need to hold it back.
  const std::size_t bound = process.exited() ? 4 * Clients::bound : Clients::bound;
  const bool held_back = client->open() && client->queued() >= bound;
  for (const Stream stream : {Stream::out, Stream::err}) {
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
  watch_process(list, *main_, clients_.first(), true);
  for (auto& exec : execs_) watch_process(list, *exec.process, exec.client, false);
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
  bool waiting = main_->exited() || !main_->readable_now(now);
  for (const auto& exec : execs_) waiting = waiting || exec.process->exited() || !exec.process->readable_now(now);
  return waiting ? 20 : -1;  // a deadline is near: look again soon
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
  sweep(Clock::now());
}

void Supervisor::handle_signals() {
  signalfd_siginfo info{};
  for (;;) {
    const auto size = sys::read(signals_.get(), &info, sizeof info);
    if (!size || *size != sizeof info) break;
    if (info.ssi_signo != SIGCHLD) main_->signal(static_cast<int>(info.ssi_signo));
  }
  reap();
}

void Supervisor::reap() {
  int status = 0;
  pid_t pid = 0;
  // As a subreaper we also get orphans, which nobody else asks about.
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == main_->pid()) main_->set_exited(status);
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

Exec* Supervisor::exec_of(const std::shared_ptr<Connection>& client) {
  const auto found = std::find_if(execs_.begin(), execs_.end(), [&](const Exec& exec) { return exec.client == client; });
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
  Process& process = exec != nullptr ? *exec->process : *main_;
  switch (frame.type) {
    case FrameType::attach:
      if (exec == nullptr && !client->foreground) client->subscribed = true;
      break;
    case FrameType::stdin_data:
      if (process.pending_input() > Clients::bound) throw InvalidInput("more input than the window allows");
      process.queue_input(frame.payload, client);
      break;
    case FrameType::stdin_eof: process.end_input(); break;
    case FrameType::resize: {
      if (frame.payload.size() != 4) throw InvalidInput("a resize of the wrong size");
      const std::uint32_t size = decode_u32(frame.payload);
      process.resize(static_cast<unsigned short>(size & 0xFFFF), static_cast<unsigned short>(size >> 16));
      break;
    }
    case FrameType::signal:
      if (frame.payload.size() != 1) throw InvalidInput("a signal of the wrong size");
      process.signal(frame.payload[0]);
      // As Docker: who is asked to end must be able to.
      if (state_.paused && (frame.payload[0] == SIGKILL || frame.payload[0] == container_.spec.stop_signal)) freeze(false);
      break;
    case FrameType::pause:
      if (frame.payload.size() != 1) throw InvalidInput("a pause of the wrong size");
      pause(client, frame.payload[0] != 0);
      break;
    case FrameType::exec_request:
      if (exec != nullptr) throw InvalidInput("a second process on one connection");
      start_exec(client, frame);
      break;
    default: throw InvalidInput("not a client's frame");
  }
}

void Supervisor::start_exec(const std::shared_ptr<Connection>& client, const Frame& frame) {
  const ExecRequest request = decode_exec(frame.payload);
  client->foreground = false;
  client->subscribed = false;
  try {
    if (main_->exited()) throw Conflict(fmt::format("container {} is not running", container_.spec.name));
    if (state_.paused) {
      throw Conflict(fmt::format("container {} is paused, unpause the container before exec", container_.spec.name));
    }
    Stdio stdio = make_stdio(request.open_stdin);
    userns::ProcessPlan process = request.process;
    process.notifying = container_.spec.plan.process.notifying;
    auto launched = userns::join(main_->launched().pidfd(), process, stdio.child(), {cgroup_fd(), {}});
    launched.start(take_listener(process));
    execs_.push_back({std::make_unique<Process>(std::move(launched), std::move(stdio)), client});
    client->queue(FrameType::started);
  } catch (const Error& error) {
    client->queue(FrameType::start_failure, encode_failure({error.what(), exit_code_of(error, 126), error.hint()}));
  }
}

userns::TakeListener Supervisor::take_listener(const userns::ProcessPlan& process) {
  if (!owner_) return {};
  return [this, ids = played_ids(process)](Fd listener) { owner_->serve(std::move(listener), ids); };
}

void Supervisor::freeze(bool on) {
  cgroup_->freeze(on);
  state_.paused = on;
  ContainerStore(places_).write_state(container_, state_);
}

void Supervisor::pause(const std::shared_ptr<Connection>& client, bool on) {
  try {
    if (!cgroup_) {
      throw Unsupported(fmt::format("container {} can't be paused: it has no cgroup of its own", container_.spec.name),
                        "see 'sandbox doctor' for what delegates cgroups to you");
    }
    freeze(on);
    client->queue(FrameType::done);
  } catch (const Error& error) {
    client->queue(FrameType::start_failure, encode_failure({error.what(), 1, error.hint()}));
  }
}

void Supervisor::deliver(Stream stream, std::string_view data) {
  log_.append(stream, data);
  clients_.show_output(stream, data);
}

void Supervisor::sweep(Clock::time_point now) {
  std::erase_if(execs_, [&](const Exec& exec) {
    if (!exec.process->finished(now)) return false;
    exec.client->queue(FrameType::exit_status, encode_code(exec.process->exit_code()));
    return true;
  });
  clients_.drop_closed();
}

bool Supervisor::finished(Clock::time_point now) const {
  if (!main_->finished(now)) return false;
  return execs_.empty() || now >= main_->drain_deadline() + exec_end_time;
}

void Supervisor::finish() {
  for (const auto& exec : execs_) exec.client->queue(FrameType::exit_status, encode_code(137));
  execs_.clear();
  log_.finish();
  end(main_->exit_code(), failure_);
  clients_.tell_all(FrameType::exit_status, encode_code(main_->exit_code()));
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
  if (network_) network_->free_ports();
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
    if (!container_.spec.auto_remove) store.write_state(container_, state_);
  } catch (const Error&) {
    // The exit status matters more to the client; a state that still says "running" is seen
    // through as soon as we are gone.
  }
  clients_.stop_listening();
  lock_.reset();
  try {
    if (container_.spec.auto_remove) {
      if (!store.retire(container_)) store.purge(container_);
      const VolumeStore volumes(places_);
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

void prepare_process() {
  (void)::setsid();
  ::prctl(PR_SET_NAME, "sbx:supervisor");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_DUMPABLE, 0);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

int supervisor_main(const Places& places, const std::string& id, Fd first_client) {
  const auto first = std::make_shared<Connection>(std::move(first_client));
  try {
    prepare_process();
    Supervisor supervisor(places, ContainerStore(places).find(id), first);
    try {
      supervisor.start();
    } catch (const Error& error) {
      supervisor.fail(error);
      return 0;
    }
    supervisor.run();
    return 0;
  } catch (const Error& error) {
    first->queue(FrameType::start_failure, encode_failure({error.what(), 125, error.hint()}));
    return 125;
  } catch (const std::exception& error) {
    first->queue(FrameType::start_failure, encode_failure({error.what(), 125, {}}));
    return 125;
  }
}

}  // namespace sandbox::container
