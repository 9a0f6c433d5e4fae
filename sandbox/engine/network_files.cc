// See network_files.h. Runs in the client. With --network host the host's own files are copied.
#include "sandbox/engine/network_files.h"

#include <arpa/inet.h>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

namespace sandbox::engine {
namespace {

constexpr std::string_view kBaseHosts =
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

bool is_address(const std::string& text) {
  in6_addr storage{};
  return ::inet_pton(AF_INET, text.c_str(), &storage) == 1 || ::inet_pton(AF_INET6, text.c_str(), &storage) == 1;
}

std::string copy_of(const char* path) { return path_exists(path) ? read_file(path) : std::string(); }

std::string host_line(const std::string& word) {
  const auto separator = word.find_first_of(":=");
  if (separator == 0 || separator == std::string::npos) throw UsageError(fmt::format("bad format for add-host: \"{}\"", word));
  std::string address = word.substr(separator + 1);
  if (address == "host-gateway") address = netstack::Config().gateway;
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const std::string name = word.substr(0, separator);
  if (!is_address(address)) throw UsageError(fmt::format("invalid IP address in add-host: \"{}\"", address));
  if (name.find_first_of(" \t\n") != std::string::npos) throw UsageError(fmt::format("bad format for add-host: \"{}\"", word));
  return address + "\t" + name + "\n";
}

}  // namespace

std::string render_hosts(const RunRequest& request, const std::string& hostname) {
  std::string text = request.network == "host" ? copy_of("/etc/hosts") : std::string(kBaseHosts);
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  if (request.network == "private") text += fmt::format("{}\t{}\n", netstack::Config().guest_address, hostname);
  for (const auto& word : request.add_hosts) text += host_line(word);
  return text;
}

std::string render_resolv_conf(const RunRequest& request) {
  std::string text;
  for (const auto& server : request.dns) {
    if (!is_address(server)) throw UsageError(fmt::format("invalid argument \"{}\" for \"--dns\" flag: no IP address", server));
    text += "nameserver " + server + "\n";
  }
  if (!text.empty() || request.network == "none") return text;
  if (request.network == "host") return copy_of("/etc/resolv.conf");
  return "nameserver " + netstack::Config().dns + "\n";
}

void write_network_files(const std::string& directory, const container::Spec& spec, const RunRequest& request) {
  const std::string& hostname = spec.plan.hostname;
  write_file_atomic(directory + "/hosts", render_hosts(request, hostname), false, 0644);
  write_file_atomic(directory + "/hostname", hostname + "\n", false, 0644);
  write_file_atomic(directory + "/resolv.conf", render_resolv_conf(request), false, 0644);
}

}  // namespace sandbox::engine
