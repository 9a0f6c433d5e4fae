// The rung of the identities ladder: a range of ids, or the caller's one. Runs in the client.
#pragma once

#include <optional>
#include <string>

#include "sandbox/base/places.h"
#include "userns/kept_namespace.h"

namespace sandbox::engine {

struct FoundRange {
  std::optional<userns::KeptNamespace> kept;  ///< None: one id.
  std::string reason;                         ///< Why there is no range; empty otherwise.
  std::string fix;                            ///< What an administrator can do about it.
  bool refused = false;                       ///< A range was given, and using it failed: worth a warning.
};

/// Never throws for want of a range: one id is a rung of its own.
FoundRange find_id_range(const Places& places);

}  // namespace sandbox::engine
