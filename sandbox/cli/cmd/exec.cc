// `exec`: another process in a running container, through its supervisor.
#include <unistd.h>

#include "profiles/capabilities.h"
#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/cli/passed_descriptors.h"
#include "sandbox/container/actions.h"
#include "sandbox/container/secret_store.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/environment.h"
#include "sandbox/engine/identity.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"detach", 'd', nullptr, "Run the command in the background"},
    {"detach-keys", '\0', "string", "Override the key sequence for detaching a container"},
    {"env", 'e', "list", "Set environment variables"},
    {"env-file", '\0', "list", "Read in a file of environment variables"},
    {"interactive", 'i', nullptr, "Keep STDIN open even if not attached"},
    {"preserve-fds", '\0', "uint", "Pass N file descriptors, from 3 on, to the process"},
    {"privileged", '\0', nullptr, "Give extended privileges to the command"},
    {"tty", 't', nullptr, "Allocate a pseudo-TTY"},
    {"user", 'u', "string", "Username or UID (format: \"<name|uid>[:<group|gid>]\")"},
    {"workdir", 'w', "string", "Working directory inside the container"},
};

void set_user(userns::ProcessPlan& process, const container::Container& container, const std::string& words) {
  const auto user = engine::resolve_user(words, engine::read_container_file(container.state, "etc/passwd"),
                                         engine::read_container_file(container.state, "etc/group"));
  process.emulated.reset();
  process.capability_sets.reset();
  engine::become(process, container.spec.plan.identity, user);
}

/// All that `run --privileged` gives a process; what the container itself is like stays.
void give_privileges(userns::ProcessPlan& process) {
  process.capabilities = profiles::all_capabilities();
  process.seccomp.clear();
  process.no_new_privs = false;
}

int run(const Arguments& arguments) {
  const std::vector<int> passed = passed_descriptors(arguments);
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(arguments.positional[0]);
  container::require_possible(container::Action::exec, found.state, found.spec.id);
  container::ExecRequest request;
  request.process = found.spec.plan.process;
  userns::ProcessPlan& process = request.process;
  process.seccomp = container::read_seccomp(found);
  process.argv.assign(arguments.positional.begin() + 1, arguments.positional.end());
  process.terminal = arguments.flag("tty");
  process.init = false;
  container::add_secret_variables(found, process.env);
  if (process.terminal) set_environment(process.env, "TERM=xterm");
  for (const auto& entry : engine::read_environment(arguments.all("env"), arguments.all("env-file"))) {
    set_environment(process.env, entry);
  }
  if (const auto directory = arguments.last("workdir")) process.cwd = *directory;
  if (const auto words = arguments.last("user")) set_user(process, found, *words);
  if (arguments.flag("privileged")) give_privileges(process);
  const bool detach = arguments.flag("detach");
  request.open_stdin = arguments.flag("interactive") && !detach;
  if (process.terminal && request.open_stdin && ::isatty(STDIN_FILENO) == 0)
    throw UsageError("the input device is not a TTY");

  const std::string keys = process.terminal ? detach_keys(arguments) : std::string();
  Fd supervisor = container::connect_supervisor(places, found);
  container::request_exec(supervisor.get(), request, passed);
  close_passed(passed);
  if (detach) {
    (void)container::wait_started(std::move(supervisor));
    return 0;
  }
  container::AttachOptions attach;
  attach.own_process = attach.ends_unread = attach.awaits_start = true;
  attach.forward_stdin = request.open_stdin;
  attach.terminal = process.terminal;
  attach.detach_keys = keys;
  return container::attach(std::move(supervisor), attach);
}

}  // namespace

const Command kExec{"exec", "exec [OPTIONS] CONTAINER COMMAND [ARG...]", "Execute a command in a running container",
                    kOptions, run, 2, -1, false};

}  // namespace sandbox::cli
