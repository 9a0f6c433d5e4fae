// `wait`: blocks until containers end, prints their exit statuses.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/supervisor.h"

namespace sandbox::cli {
namespace {

int exit_status_of(const Places& places, const std::string& name) {
  const container::ContainerStore store(places);
  const auto found = store.find(name);
  if (!container::is_up(found.state)) return found.state.exit_code;
  Fd supervisor;
  try {
    supervisor = container::connect_supervisor(places, found);
  } catch (const Conflict&) {
    return store.find(found.spec.id).state.exit_code;  // ended between the two looks
  }
  return container::wait_exit(std::move(supervisor));
}

int run(const Arguments& arguments) {
  const Places places = find_places();
  int status = 0;
  for (const auto& name : arguments.positional) {
    try {
      print(fmt::format("{}\n", exit_status_of(places, name)));
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  return status;
}

}  // namespace

const Command kWait{"wait", "wait CONTAINER [CONTAINER...]", "Block until containers stop, then print their exit codes",
                    {}, run, 1};

}  // namespace sandbox::cli
