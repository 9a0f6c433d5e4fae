// From a request to a container on disk, and from there to a running one. Runs in the client.
#pragma once

#include <functional>
#include <string>

#include "sandbox/base/fd.h"
#include "sandbox/base/places.h"
#include "sandbox/base/stopwatch.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/identity.h"
#include "sandbox/engine/mounts.h"
#include "sandbox/engine/requests.h"
#include "sandbox/engine/secrets.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

/// One line for the user while the work goes on: progress of a pull, a warning.
using Notice = std::function<void(const std::string& line)>;

/// A container as it is going to be.
struct Decision {
  container::Spec spec;
  GeneratedFiles files;  ///< In the container's directory, beside those that every container has.
  std::vector<ChosenSecret> secrets;
  std::vector<UserMount> mounts;  ///< Those that the user or the image has asked for: they may need volumes.
};

/// Finds or pulls the image, unpacks its layers and decides everything; leaves no container behind. Throws UsageError,
/// NotFound, Unsupported. `watch` gets a lap per step.
Decision decide(const Places& places, const RunRequest& request, const Notice& notice, Stopwatch& watch);

/// The same for files that have no name: `image` takes the place of the request's, as `secrets` do. `id`: the
/// container's.
Decision decide_for(const Places& places, const RunRequest& request, const image::Image& image,
                    const std::string& id, std::vector<ChosenSecret> secrets, const Notice& notice);

/// The container that was decided on, with its generated files; see ContainerStore::create for `starts_at_once`. Throws
/// Conflict when the name is taken, NotFound when the image's layers were removed meanwhile.
container::Container create_container(const Places& places, const RunRequest& request, const Decision& decision,
                                      Stopwatch& watch, bool starts_at_once = false);

/// Spawns the supervisor of a container that doesn't run; returns the first client's connection to it, for
/// container::attach or wait_started. `passed`: see spawn_supervisor(). Throws Conflict when it runs, Unsupported when
/// the container needs a range of ids that is there no more.
Fd start_container(const Places& places, const container::Container& container, const std::vector<int>& passed = {});

}  // namespace sandbox::engine
