// RUN --mount=type=…: what a step sees beside its files. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/json_fwd.h"

namespace sandbox::build {

enum class StepMountType { bind, cache, tmpfs, secret, ssh };
enum class CacheSharing { shared, private_, locked };

struct StepMount {
  StepMountType type = StepMountType::bind;
  std::string target;       ///< Absolute; empty for a secret that is an environment variable only.
  std::string source;       ///< bind, cache: a path in what it is from; "" is the root.
  std::string from;         ///< A stage, image or context; empty: the build context, or an empty directory (cache).
  std::string id;           ///< cache, secret, ssh
  std::string environment;  ///< secret: the variable.
  CacheSharing sharing = CacheSharing::shared;
  bool read_only = false;
  bool required = false;   ///< secret, ssh: its absence is an error.
  std::uint64_t size = 0;  ///< tmpfs, bytes; 0: no bound.
  std::optional<std::uint32_t> mode;
  std::uint32_t uid = 0, gid = 0;
  int input = -1;  ///< The vertex of `from`.
};

/// `directory`: the working directory, for a relative target. Throws InvalidInput.
StepMount parse_step_mount(std::string_view text, std::string_view directory);

/// For cache keys and tests.
Json to_json(const StepMount& mount);

}  // namespace sandbox::build
