// oci exec, oci ps.
#include "sandbox/runtime/exec.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/process_table.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/runtime/foreground.h"
#include "sandbox/runtime/processes.h"

namespace sandbox::cli {
namespace {

constexpr Option kExecOptions[] = {
    {"console-socket", '\0', "PATH", "Socket that gets the terminal's descriptor"},
    {"cwd", '\0', "DIR", "Working directory"},
    {"env", 'e', "NAME=VALUE", "Add to the environment"},
    {"tty", 't', nullptr, "A pseudo-terminal"},
    {"user", 'u', "UID[:GID]", "User"},
    {"additional-gids", 'g', "GID", "Additional group"},
    {"process", 'p', "FILE", "The whole process as JSON, in place of a command"},
    {"detach", 'd', nullptr, "Don't wait for its end"},
    {"pid-file", '\0', "FILE", "Write the process id there"},
    {"process-label", '\0', "LABEL", "SELinux label"},
    {"apparmor", '\0', "PROFILE", "AppArmor profile"},
    {"no-new-privs", '\0', nullptr, "No gain of privileges by execve(2)"},
    {"cap", 'c', "CAP", "Add a capability"},
    {"preserve-fds", '\0', "N", "Pass the N descriptors from 3 on"},
    {"cgroup", '\0', "PATH", "Cgroup below the container's own, which exists"},
    {"ignore-paused", '\0', nullptr, "Also in a container that is paused"},
    {"no-subreaper", '\0', nullptr, "Accepted for compatibility"},
};
constexpr Option kPsOptions[] = {
    {"format", 'f', "FORMAT", "table or json"},
};

runtime::ExecRequest request_of(const Arguments& arguments) {
  runtime::ExecRequest request;
  request.id = arguments.positional[0];
  request.args.assign(arguments.positional.begin() + 1, arguments.positional.end());
  request.process_file = arguments.text("process");
  request.cwd = arguments.text("cwd");
  request.user = arguments.text("user");
  request.env = arguments.all("env");
  request.capabilities = arguments.all("cap");
  for (const std::string& word : arguments.all("additional-gids")) {
    request.additional_gids.push_back(parse_number("additional-gids", word));
  }
  if (arguments.last("no-new-privs")) request.no_new_privs = arguments.flag("no-new-privs");
  request.terminal = arguments.flag("tty");
  request.pid_file = arguments.text("pid-file");
  request.console_socket = arguments.text("console-socket");
  request.apparmor = arguments.text("apparmor");
  request.process_label = arguments.text("process-label");
  request.preserve_fds = parse_number("preserve-fds", arguments.text("preserve-fds", "0"));
  request.detach = arguments.flag("detach");
  request.cgroup = arguments.text("cgroup");
  request.ignore_paused = arguments.flag("ignore-paused");
  if (request.args.empty() && request.process_file.empty()) throw UsageError("process args cannot be empty");
  return request;
}

int run_exec(const Arguments& arguments, const OciContext& context) {
  const runtime::ExecRequest request = request_of(arguments);
  std::optional<runtime::Foreground> foreground;
  if (!request.detach) foreground.emplace();
  std::vector<std::string> warnings;
  userns::Launched launched = runtime::exec(context.store, request, warnings);
  context.warn(warnings);
  return foreground ? foreground->wait(launched.pidfd(), launched.take_console()) : 0;
}

int run_ps(const Arguments& arguments, const OciContext& context) {
  const std::string format = arguments.text("format", "table");
  if (format != "table" && format != "json") throw UsageError("invalid format option");
  const runtime::Record record = context.store.load(arguments.positional[0]);
  const bool stopped = runtime::status_of(context.store, record) == runtime::Status::stopped;
  const std::vector<int> pids = stopped ? std::vector<int>() : runtime::processes_of(record);
  if (format == "json") {
    print(Json(pids).dump() + "\n");
  } else {
    print(process_table({arguments.positional.begin() + 1, arguments.positional.end()}, pids));
  }
  return 0;
}

}  // namespace

constinit const OciCommand kOciExec = {"exec",
                                       "[OPTIONS] ID COMMAND [ARG...]",
                                       "Run a further process in a container",
                                       kExecOptions,
                                       run_exec,
                                       1,
                                       -1,
                                       "exec failed: ",
                                       255};
constinit const OciCommand kOciPs = {
    "ps", "[OPTIONS] ID [OPTION OF PS...]", "List a container's processes", kPsOptions, run_ps, 1, -1};

}  // namespace sandbox::cli
