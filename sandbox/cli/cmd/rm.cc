// `rm`: removes containers; with -f also running ones.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/actions.h"
#include "sandbox/container/volume_store.h"
#include "sandbox/engine/lifecycle.h"

namespace sandbox::cli {
namespace {

constexpr RefusedOption kRefusedOptions[] = {{"link", "a link goes with its container"}};
constexpr Option kOptions[] = {
    {"force", 'f', nullptr, "Force the removal of a running container (uses SIGKILL)"},
    {"volumes", 'v', nullptr, "Remove anonymous volumes associated with the container"},
};

void remove_found(const Places& places, const container::Container& found, const std::string& name, bool force) {
  if (force) return engine::force_remove(places, found.spec.id);
  try {
    container::require_possible(container::Action::remove, found.state, name);
  } catch (const Conflict& reason) {
    throw Conflict(fmt::format("cannot remove container \"{}\": {}", name, reason.what()));
  }
  container::ContainerStore(places).remove(found);
}

/// Throws NotFound also with --force, which takes it for a warning.
void remove_one(const std::string& name, const Arguments& arguments) {
  const Places places = find_places();
  const container::ContainerStore store(places);
  const bool force = arguments.flag("force");
  container::Container found;
  try {
    found = store.find(name);
  } catch (const NotFound&) {
    if (!force || !store.remove_unreadable(name)) throw;
    return;
  } catch (const InvalidInput&) {  // by its full id
    if (!force || !store.remove_unreadable(name)) throw;
    return;
  }
  const container::VolumeStore volumes(places);
  const bool with_volumes = arguments.flag("volumes");
  if (with_volumes)
    volumes.announce_end(found.spec);
  else
    volumes.withdraw_end(found.spec);  // of an earlier command that was killed
  try {
    remove_found(places, found, name, force);
  } catch (...) {
    volumes.withdraw_end(found.spec);
    throw;
  }
  if (with_volumes) volumes.remove_unused_anonymous(volumes.volumes_of(found.spec));
}

int run(const Arguments& arguments) {
  const bool force = arguments.flag("force");
  int status = 0;
  for (const std::string& name : arguments.positional) {
    try {
      remove_one(name, arguments);
      print(name + "\n");
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      // As Docker: what is not there needs no removal.
      if (!force || dynamic_cast<const NotFound*>(&error) == nullptr) status = 1;
    }
  }
  container::ContainerStore(find_places()).sweep();
  return status;
}

}  // namespace

const Command kRm{"rm", "rm [OPTIONS] CONTAINER [CONTAINER...]", "Remove containers", kOptions, run, 1,
                  -1, true, 1, kRefusedOptions};

}  // namespace sandbox::cli
