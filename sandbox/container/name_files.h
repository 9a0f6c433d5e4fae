// The generated /etc/hosts and /etc/resolv.conf of a container: what they say.
#pragma once

#include <string>
#include <vector>

#include "sandbox/container/spec.h"

namespace sandbox::container {

/// The host's own, as it is now.
std::string host_name();

struct HostsFile {
  std::string base;  ///< It begins with this, such as the host's own; empty: with the loopback's names.
  std::vector<std::string> own_addresses;  ///< Of the container itself,
  std::string hostname;                    ///< which is called so.
  std::string gateway;                     ///< What "host-gateway" means among the added ones.
};
/// With the hosts of `names`. Throws UsageError for one that is no host.
std::string render_hosts(const HostsFile& file, const NameService& names);

/// The name servers of a resolv.conf(5).
std::vector<std::string> name_servers_of(const std::string& resolv_conf);
/// `host_text`: a resolv.conf whose search domains and options hold unless `names` has others. `servers` are asked
/// unless `names` has others. Throws UsageError for a server that is no address, and for what would not stay one word.
std::string render_resolv_conf(const std::string& host_text, const std::vector<std::string>& servers,
                               const NameService& names);

}  // namespace sandbox::container
