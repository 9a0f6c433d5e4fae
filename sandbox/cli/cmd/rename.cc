// `rename`: another name for a container, running or not.
#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/container_store.h"

namespace sandbox::cli {
namespace {

int run(const Arguments& arguments) {
  const std::string& name = arguments.positional[1];
  if (!is_valid_name(name)) {
    throw UsageError(fmt::format("invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name));
  }
  const container::ContainerStore store(find_places());
  store.rename(store.find(arguments.positional[0]), name);
  return 0;
}

}  // namespace

const Command kRename{"rename", "rename CONTAINER NEW_NAME", "Rename a container", {}, run, 2, 2};

}  // namespace sandbox::cli
