// `top`: the processes of a container as ps(1) of the host shows them.
#include <algorithm>

#include "sandbox/base/process_table.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/actions.h"
#include "sandbox/container/own_processes.h"

namespace sandbox::cli {
namespace {

int run(const Arguments& arguments) {
  const auto found = container::ContainerStore(find_places()).find(arguments.positional[0]);
  container::require_possible(container::Action::top, found.state, found.spec.id);
  print(process_table({arguments.positional.begin() + 1, arguments.positional.end()}, container::processes_of(found)));
  return 0;
}

}  // namespace

const Command kTop{"top", "top CONTAINER [ps OPTIONS]", "Display the running processes of a container", {}, run, 1, -1,
                   false};

}  // namespace sandbox::cli
