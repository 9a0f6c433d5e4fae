// policy.json (containers-policy.json(5)): from where images may come. Signatures are not checked here: an image that
// needs one is refused.
#pragma once

#include <string>

#include "sandbox/base/json_fwd.h"
#include "sandbox/image/reference.h"

namespace sandbox::image {

/// Why an image must not be taken; "" when it may be. `transport`: "docker", "docker-archive", "oci-archive", "oci",
/// "dir". `scope`: what is looked up below the transport, "registry/repository:tag" or a path; its beginnings up to a
/// '/' count, the longest first, then for "docker" the hosts' wildcards, then "". Throws InvalidInput. Pure.
std::string judge(const Json& policy, const std::string& transport, const std::string& scope);

/// Throws Conflict when the policy, ~/.config/containers/policy.json, else /etc/containers/policy.json, refuses it.
/// Without a policy everything is accepted.
void require_accepted(const std::string& transport, const std::string& scope);

}  // namespace sandbox::image
