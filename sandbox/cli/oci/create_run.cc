// oci create, oci run.
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/runtime/create.h"
#include "sandbox/runtime/foreground.h"
#include "sandbox/runtime/lifecycle.h"
#include "sandbox/runtime/plan_document.h"
#include "sandbox/runtime/seccomp.h"

namespace sandbox::cli {
namespace {

constexpr Option kCreateOptions[] = {
    {"bundle", 'b', "DIR", "Directory with config.json (default: the working directory)"},
    {"config", 'f', "FILE", "Another name for config.json"},
    {"console-socket", '\0', "PATH", "Socket that gets the terminal's descriptor"},
    {"pid-file", '\0', "FILE", "Write the process id there"},
    {"no-pivot", '\0', nullptr, "Move the root over that of the host, where it can't be pivoted into"},
    {"no-new-keyring", '\0', nullptr, "Keep the caller's session keyring"},
    {"preserve-fds", '\0', "N", "Pass the N descriptors from 3 on"},
    {"no-subreaper", '\0', nullptr, "Accepted for compatibility"},
    {"print-plan", '\0', nullptr, "Print what would be done as JSON, and do nothing"},
};

constexpr Option kRunOptions[] = {
    {"bundle", 'b', "DIR", "Directory with config.json (default: the working directory)"},
    {"config", 'f', "FILE", "Another name for config.json"},
    {"console-socket", '\0', "PATH", "Socket that gets the terminal's descriptor"},
    {"pid-file", '\0', "FILE", "Write the process id there"},
    {"no-pivot", '\0', nullptr, "Move the root over that of the host, where it can't be pivoted into"},
    {"no-new-keyring", '\0', nullptr, "Keep the caller's session keyring"},
    {"preserve-fds", '\0', "N", "Pass the N descriptors from 3 on"},
    {"no-subreaper", '\0', nullptr, "Accepted for compatibility"},
    {"print-plan", '\0', nullptr, "Print what would be done as JSON, and do nothing"},
    {"detach", 'd', nullptr, "Don't wait for the container's end"},
    {"keep", '\0', nullptr, "Don't delete the container at its end"},
};

runtime::CreateRequest request_of(const Arguments& arguments, const OciContext& context) {
  runtime::CreateRequest request;
  request.id = arguments.positional[0];
  request.bundle = arguments.text("bundle");
  request.config = arguments.text("config");
  request.console_socket = arguments.text("console-socket");
  request.pid_file = arguments.text("pid-file");
  request.preserve_fds = parse_number("preserve-fds", arguments.text("preserve-fds", "0"));
  request.cgroup_manager = context.cgroup_manager;
  request.no_new_keyring = arguments.flag("no-new-keyring");
  request.no_pivot = arguments.flag("no-pivot");
  runtime::check_id(request.id);
  return request;
}

void print_plan(const runtime::Loaded& loaded) {
  runtime::Plan plan = loaded.plan;
  runtime::apply_seccomp(loaded.spec, plan.launch.process);
  const Json document = runtime::plan_document(plan, loaded.cgroup, loaded.spec.hooks);
  print(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

int run_create(const Arguments& arguments, const OciContext& context) {
  const runtime::CreateRequest request = request_of(arguments, context);
  const runtime::Loaded loaded = runtime::load_bundle(request);
  if (arguments.flag("print-plan")) {
    print_plan(loaded);
    return 0;
  }
  context.warn(loaded.plan.warnings);
  runtime::Creation creation(context.store, request, loaded);
  creation.detach();
  return 0;
}

int run_run(const Arguments& arguments, const OciContext& context) {
  runtime::CreateRequest request = request_of(arguments, context);
  request.detach = arguments.flag("detach");
  const runtime::Loaded loaded = runtime::load_bundle(request);
  if (arguments.flag("print-plan")) {
    print_plan(loaded);
    return 0;
  }
  context.warn(loaded.plan.warnings);
  std::optional<runtime::Foreground> foreground;
  if (!request.detach) foreground.emplace();
  runtime::Creation creation(context.store, request, loaded);
  creation.start();
  if (!foreground) return 0;
  const int status = foreground->wait(creation.pidfd(), creation.take_console());
  if (!arguments.flag("keep")) {
    std::vector<std::string> warnings;
    runtime::remove(context.store, request.id, true, warnings);
    context.warn(warnings);
  }
  return status;
}

}  // namespace

constinit const OciCommand kOciCreate = {"create",
                                         "[OPTIONS] ID",
                                         "Make a container from a bundle; `start` runs its program",
                                         kCreateOptions,
                                         run_create,
                                         1,
                                         1,
                                         "create failed: "};
constinit const OciCommand kOciRun = {
    "run", "[OPTIONS] ID", "Make a container and run its program", kRunOptions, run_run, 1, 1, "run failed: "};

}  // namespace sandbox::cli
