// The generated /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, as they are when it is made. On networks
// with others its supervisor writes them again at every start.
#pragma once

#include <string>

#include "sandbox/container/spec.h"
#include "sandbox/engine/requests.h"

namespace sandbox::engine {

std::string render_hosts(const RunRequest& request, const std::string& hostname);
/// `host_text`: the host's resolv.conf, whose search domains and options hold unless others are asked for.
std::string render_resolv_conf(const RunRequest& request, const std::string& host_text);

/// Writes hosts, hostname and resolv.conf into the container's directory, which the plan binds.
void write_network_files(const std::string& directory, const container::Spec& spec, const RunRequest& request);

}  // namespace sandbox::engine
