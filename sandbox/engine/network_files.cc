// See network_files.h. Runs in the client. With --network host the host's own files are copied.
#include "sandbox/engine/network_files.h"

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/container/name_files.h"

namespace sandbox::engine {
namespace {

std::string copy_of(const char* path) { return path_exists(path) ? read_file(path) : std::string(); }

container::NameService names_of(const RunRequest& request) {
  return {request.dns, request.dns_search, request.dns_options, request.add_hosts};
}

}  // namespace

std::string render_hosts(const RunRequest& request, const std::string& hostname) {
  const netstack::Config usual;
  container::HostsFile file{.base = {}, .own_addresses = {}, .hostname = hostname, .gateway = usual.gateway};
  if (request.network == "host") file.base = copy_of("/etc/hosts");
  if (request.network == "private") file.own_addresses = {usual.guest_address};
  return container::render_hosts(file, names_of(request));
}

std::string render_resolv_conf(const RunRequest& request, const std::string& host_text) {
  const bool asked = !request.dns.empty() || !request.dns_search.empty() || !request.dns_options.empty();
  if (!asked && request.network == "host") return host_text;
  if (request.network == "none") return container::render_resolv_conf("", {}, names_of(request));
  // The host's servers may be on its loopback; behind a private network the forwarder knows them.
  const std::vector<std::string> servers =
      request.network == "private" ? std::vector{netstack::Config().dns} : container::name_servers_of(host_text);
  return container::render_resolv_conf(host_text, servers, names_of(request));
}

void write_network_files(const std::string& directory, const container::Spec& spec, const RunRequest& request) {
  const std::string hostname = spec.plan.hostname.empty() ? container::host_name() : spec.plan.hostname;
  write_file_atomic(directory + "/hosts", render_hosts(request, hostname), false, 0644);
  write_file_atomic(directory + "/hostname", hostname + "\n", false, 0644);
  write_file_atomic(directory + "/resolv.conf", render_resolv_conf(request, copy_of("/etc/resolv.conf")), false, 0644);
}

}  // namespace sandbox::engine
