// From a request to a container's Spec: pure, so that the whole decision can be tested and shown.
#pragma once

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/container/spec.h"
#include "sandbox/engine/identity.h"
#include "sandbox/engine/mounts.h"
#include "sandbox/engine/requests.h"
#include "sandbox/engine/secrets.h"
#include "sandbox/engine/shared_namespaces.h"
#include "sandbox/image/image_store.h"

namespace sandbox::engine {

/// Everything that the decision rests on; what had to be read was read before.
struct PlanInput {
  RunRequest request;
  HostIdentity host;
  const image::Image* image = nullptr;  ///< nullptr with --rootfs.
  std::vector<std::string> lower;       ///< Unpacked layers, top-most first; empty with --rootfs PATH.
  std::string id, name, data;           ///< `data`: the data directory; the container's is containers/ID in it.
  timespec now{};
  std::vector<std::string> env;         ///< Of -e and --env-file, as assignments.
  std::vector<std::string> given_env;   ///< The caller's, if it is asked for, and of devices.
  User user;
  std::vector<std::byte> seccomp;
  cgroup::Limits limits;                ///< What the machine grants.
  std::vector<UserMount> inherited;     ///< Of --volumes-from and of devices.
  std::map<std::string, std::vector<std::string>> mounted_layers;  ///< Of images that are mounted, by their names.
  std::vector<userns::DevicePlan> devices;
  bool boots_system = false;            ///< See system_container.h.
  bool keeps_groups = false;            ///< The process is in the caller's groups.
  Sharing sharing;                      ///< What it has of other containers.
  GeneratedFiles files;                 ///< Beside those that every container has.
  std::vector<ChosenSecret> secrets;
  std::vector<container::Attachment> attachments;
};

/// What is executed. Throws UsageError when there is nothing.
std::vector<std::string> planned_argv(const PlanInput& input);

/// The image's own words, "" or null when absent or of the wrong type.
std::string config_string(const image::Image* image, const char* key);
std::vector<std::string> config_strings(const image::Image* image, const char* key);

/// Whether ports are to be published.
bool publishes(const RunRequest& request);
/// Throws UsageError for flags that contradict each other, Unsupported for those that can't be had.
void check_request(const RunRequest& request);
/// The bounding set. A process of another user than root starts without any of it, as with Docker.
std::uint64_t planned_capabilities(const RunRequest& request);

/// The --rootfs directory, and whether writes go to the container's own upper layer (":O").
struct Rootfs {
  std::string directory;
  bool overlay = false;
};
Rootfs parse_rootfs(const std::string& text);

/// What the request, its image and other containers have mounted. Throws UsageError.
std::vector<UserMount> planned_mounts(const PlanInput& input);

/// Throws UsageError.
container::Spec plan(const PlanInput& input);

}  // namespace sandbox::engine
