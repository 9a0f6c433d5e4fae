// The starter configuration that `spec` writes: a shell in a terminal, on a read-only root.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sandbox::oci {

/// The one id that an ordinary user can map without help.
struct RootlessIds {
  std::uint32_t uid = 0, gid = 0;
};

/// The text of a config.json. With `rootless` for that user: a user namespace in which it is root, the network of the
/// host, and no resource limits.
std::string example_spec(const std::optional<RootlessIds>& rootless);

}  // namespace sandbox::oci
