// Starts the overlay helper from the container's supervisor.
#include <array>

#include "fuse-overlay/overlay_server.h"

namespace sandbox::overlay {

HelperProcess spawn_overlay(const ServerConfig& config, const Fd& fuse, const Fd& user_namespace) {
  const std::array extra{fuse.get(), user_namespace.get()};
  return spawn_helper("overlay", to_json(config).dump(), extra);
}

}  // namespace sandbox::overlay
