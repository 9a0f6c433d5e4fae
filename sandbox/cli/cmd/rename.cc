// `rename`: another name for a container, running or not.
#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/container_store.h"

namespace sandbox::cli {
namespace {

int run(const Arguments& arguments) {
  const std::string &old = arguments.positional[0], &name = arguments.positional[1];
  if (old.empty() || name.empty()) throw UsageError("neither old nor new names may be empty");
  if (!is_valid_name(name)) {
    throw UsageError(fmt::format("invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name));
  }
  const container::ContainerStore store(find_places());
  const container::Container found = store.find(old);
  if (found.spec.name == name) throw Conflict("renaming a container with the same name as its current name");
  store.rename(found, name);
  return 0;
}

}  // namespace

const Command kRename{"rename", "rename CONTAINER NEW_NAME", "Rename a container", {}, run, 2, 2};

}  // namespace sandbox::cli
