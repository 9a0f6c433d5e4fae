// --security-opt, --cap-add, --cap-drop: what the container's process may do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/engine/requests.h"

namespace sandbox::engine {

struct SecurityOptions {
  bool no_new_privs = true;
  bool masks_paths = true;  ///< Parts of /proc and /sys are hidden or read-only.
  std::string seccomp;  ///< "" is the built-in profile; "unconfined"; otherwise a file.
  std::vector<std::string> denied_calls;  ///< What that filter allows no more.
};

/// Throws UsageError or Unsupported for options that this engine doesn't honour.
SecurityOptions parse_security_options(const std::vector<std::string>& options);

/// What --security-opt and --privileged come to together.
SecurityOptions security_of(const RunRequest& request);

/// The filter for `options`, from `<data>/cache` when the same profile was compiled before for the
/// same capabilities by the same version; compiled and kept there otherwise. Empty: unconfined.
std::vector<std::byte> seccomp_filter(const SecurityOptions& options, std::uint64_t capabilities,
                                      const std::string& data);

}  // namespace sandbox::engine
