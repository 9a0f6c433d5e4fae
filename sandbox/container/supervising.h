// The supervisor's own class, for the files that it is written in: supervisor.cc has its life, supervisor_launch.cc how it
// makes processes, supervisor_clients.cc what its clients ask for, supervisor_health.cc its checks of the container's
// health. One thread, one poll loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netstack/netstack.h"
#include "sandbox/base/helper_process.h"
#include "sandbox/base/stopwatch.h"
#include "sandbox/cgroup/container_cgroup.h"
#include "sandbox/container/clients.h"
#include "sandbox/container/connection.h"
#include "sandbox/container/health.h"
#include "sandbox/container/log_file.h"
#include "sandbox/container/memberships.h"
#include "sandbox/container/own_processes.h"
#include "sandbox/container/process_streams.h"
#include "sandbox/container/protocol.h"
#include "sandbox/container/restart_policy.h"
#include "sandbox/container/shared_namespaces.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/container/supervisor_lock.h"
#include "sandbox/ownership/ownership.h"

namespace sandbox::container {

inline std::string encode_code(int code) { return std::string(1, static_cast<char>(code)); }

/// Docker's exit code for what went wrong.
int exit_code_of(const Error& error, int otherwise);

/// An `exec`, bound to the connection that asked for it.
struct Exec {
  std::unique_ptr<Process> process;
  std::shared_ptr<Connection> client;
  std::string id;
};

/// A check of the container's health that is running.
struct Check {
  std::unique_ptr<Process> process;
  Clock::time_point began, deadline;
  HealthResult result;
  bool too_long = false;
};

class Supervisor {
 public:
  Supervisor(const Places& places, Container container, const std::shared_ptr<Connection>& first,
             std::vector<Fd> passed);

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
  /// Prepares the plan for what the container's networks give it.
  void join_networks();
  void connect_networks();
  void leave_networks();
  void note_endpoints();
  std::optional<Error> take_networks();
  void follow_network(const std::string& network);
  void follow_early_changes();
  void change_networks(const std::shared_ptr<Connection>& client, const std::string& network);
  void lose_network(int channel);
  void rejoin_networks();
  void enter_cgroup();
  int cgroup_fd() const { return cgroup_ ? cgroup_->fd() : -1; }
  /// Where a further process goes instead of the container's cgroup, when a system divides that: beside the first one.
  /// Throws Conflict, SysError.
  std::optional<cgroup::Directory> cgroup_beside() const;
  /// A further process in the container, with its limits.
  userns::Launched join(const userns::ProcessPlan& process, const Stdio& stdio) const;
  void begin_run();
  userns::Launched launch(const Stdio& stdio);
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
  void pause(const std::shared_ptr<Connection>& client, Pause wish);
  void end_held_pause();
  void freeze(bool on);
  Exec* exec_of(const std::shared_ptr<Connection>& client);
  void deliver(Stream stream, std::string_view data);
  void end_asked(int signal);
  void lose_reader(const std::shared_ptr<Connection>& client, Process& process, Stream stream);
  bool start_again();
  void read_changes();
  void be_between_runs(Clock::time_point until);
  void tend_health(Clock::time_point now);
  void start_check(Clock::time_point now);
  void end_check(Clock::time_point now, int exit_code);
  void stop_checks();
  void drop_check();
  void read_check(Stream stream);
  std::optional<Clock::time_point> health_wake() const;
  void release();
  void tell_end(int exit_code);
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
  std::optional<SharedNamespaces> shared_;     ///< While it starts, where it has some.
  std::optional<OwnProcesses> own_processes_;  ///< Where they don't end with the first one.
  Clients clients_;
  std::vector<Fd> passed_;  ///< For the first process that is started.
  std::unique_ptr<Process> main_;
  std::vector<Exec> execs_;
  std::shared_ptr<Connection> pause_held_by_;  ///< With whom the pause ends; nullptr: with an `unpause`.
  std::optional<netstack::Helper> network_;  ///< Of its private network.
  std::optional<Memberships> networks_;      ///< Those with others.
  std::optional<Clock::time_point> rejoin_at_;  ///< When to try to be on all of them again.
  std::optional<ownership::Helper> owner_;  ///< Answers for owners and ids.
  HelperProcess overlay_;                   ///< Serves the root; pid -1 where the kernel does, or when it has died.
  std::string failure_;                     ///< Why the container was ended by us.
  State state_;
  Restarts restarts_;
  std::optional<Clock::time_point> next_start_;  ///< Between two runs.
  int last_exit_code_ = 0;
  bool stopped_ = false;  ///< Somebody has asked it to end: it does not come back.
  std::optional<Clock::time_point> kill_at_;  ///< Its time to end by itself is over then.
  Clock::time_point started_{};
  std::optional<HealthWatch> health_;  ///< While the container runs, where it is checked.
  std::optional<Check> check_;
  HealthRecord checks_;                ///< The last ones.
  Stopwatch watch_;
};

}  // namespace sandbox::container
