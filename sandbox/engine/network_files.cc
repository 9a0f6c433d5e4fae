// See network_files.h. Runs in the client. With --network host the host's own files are copied.
#include "sandbox/engine/network_files.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <iterator>
#include <sstream>
#include <vector>

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
  if (separator == 0 || separator == std::string::npos)
    throw UsageError(fmt::format("bad format for add-host: \"{}\"", word));
  std::string address = word.substr(separator + 1);
  if (address == "host-gateway") address = netstack::Config().gateway;
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const std::string name = word.substr(0, separator);
  if (!is_address(address)) throw UsageError(fmt::format("invalid IP address in add-host: \"{}\"", address));
  if (name.find_first_of(" \t\n") != std::string::npos)
    throw UsageError(fmt::format("bad format for add-host: \"{}\"", word));
  return address + "\t" + name + "\n";
}

/// resolv.conf(5)
struct ResolverSettings {
  std::vector<std::string> servers, search, options;
};

ResolverSettings parse_resolv_conf(const std::string& text) {
  ResolverSettings settings;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    words >> keyword;
    const std::vector<std::string> values{std::istream_iterator<std::string>(words), {}};
    if (keyword == "nameserver") settings.servers.insert(settings.servers.end(), values.begin(), values.end());
    if (keyword == "search" || keyword == "domain") settings.search = values;  // the last one counts
    if (keyword == "options") settings.options.insert(settings.options.end(), values.begin(), values.end());
  }
  return settings;
}

std::vector<std::string> checked_servers(const std::vector<std::string>& servers) {
  for (const auto& server : servers) {
    if (!is_address(server))
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--dns\" flag: no IP address", server));
  }
  return servers;
}

/// A word must stay one word of its line.
std::vector<std::string> checked_words(const std::vector<std::string>& words, const char* flag) {
  for (const auto& word : words) {
    if (word.empty() || word.find_first_of(" \t\r\n#;") != std::string::npos) {
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--{}\" flag", word, flag));
    }
  }
  return words;
}

std::string line_of(const char* keyword, const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += " " + word;
  return line.empty() ? line : keyword + line + "\n";
}

}  // namespace

std::string render_hosts(const RunRequest& request, const std::string& hostname) {
  std::string text = request.network == "host" ? copy_of("/etc/hosts") : std::string(kBaseHosts);
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  if (request.network == "private") text += fmt::format("{}\t{}\n", netstack::Config().guest_address, hostname);
  for (const auto& word : request.add_hosts) text += host_line(word);
  return text;
}

std::string render_resolv_conf(const RunRequest& request, const std::string& host_text) {
  const bool asked = !request.dns.empty() || !request.dns_search.empty() || !request.dns_options.empty();
  if (!asked && request.network == "host") return host_text;
  ResolverSettings settings = request.network == "none" ? ResolverSettings{} : parse_resolv_conf(host_text);
  // The host's servers may be on its loopback; behind a private network the forwarder knows them.
  if (request.network == "private") settings.servers = {netstack::Config().dns};
  if (!request.dns.empty()) settings.servers = checked_servers(request.dns);
  if (!request.dns_search.empty()) settings.search = checked_words(request.dns_search, "dns-search");
  if (!request.dns_options.empty()) settings.options = checked_words(request.dns_options, "dns-option");
  if (settings.search == std::vector<std::string>{"."}) settings.search.clear();  // Docker: "no search domains"
  std::string text = line_of("search", settings.search);
  for (const auto& server : settings.servers) text += "nameserver " + server + "\n";
  return text + line_of("options", settings.options);
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) throw SysError(Errno{errno}, "reading the host's name");
  return name;
}

void write_network_files(const std::string& directory, const container::Spec& spec, const RunRequest& request) {
  const std::string hostname = spec.plan.hostname.empty() ? host_name() : spec.plan.hostname;
  write_file_atomic(directory + "/hosts", render_hosts(request, hostname), false, 0644);
  write_file_atomic(directory + "/hostname", hostname + "\n", false, 0644);
  write_file_atomic(directory + "/resolv.conf", render_resolv_conf(request, copy_of("/etc/resolv.conf")), false, 0644);
}

}  // namespace sandbox::engine
