// See name_files.h.
#include "sandbox/container/name_files.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <iterator>
#include <sstream>

#include "sandbox/base/error.h"

namespace sandbox::container {
namespace {

constexpr std::string_view kBaseHosts =
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";

bool is_address(const std::string& text) {
  in6_addr storage{};
  return ::inet_pton(AF_INET, text.c_str(), &storage) == 1 || ::inet_pton(AF_INET6, text.c_str(), &storage) == 1;
}

std::string host_line(const std::string& word, const std::string& gateway) {
  const auto separator = word.find_first_of(":=");
  if (separator == 0 || separator == std::string::npos)
    throw UsageError(fmt::format("bad format for add-host: \"{}\"", word));
  std::string address = word.substr(separator + 1);
  if (address == "host-gateway") address = gateway;
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

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) throw SysError(Errno{errno}, "reading the host's name");
  return name;
}

std::string render_hosts(const HostsFile& file, const NameService& names) {
  std::string text = file.base.empty() ? std::string(kBaseHosts) : file.base;
  if (!text.ends_with('\n')) text += '\n';
  for (const auto& address : file.own_addresses) text += fmt::format("{}\t{}\n", address, file.hostname);
  for (const auto& word : names.hosts) text += host_line(word, file.gateway);
  return text;
}

std::vector<std::string> name_servers_of(const std::string& resolv_conf) {
  return parse_resolv_conf(resolv_conf).servers;
}

std::string render_resolv_conf(const std::string& host_text, const std::vector<std::string>& servers,
                               const NameService& names) {
  ResolverSettings settings = parse_resolv_conf(host_text);
  settings.servers = names.servers.empty() ? servers : checked_servers(names.servers);
  if (!names.search.empty()) settings.search = checked_words(names.search, "dns-search");
  if (!names.options.empty()) settings.options = checked_words(names.options, "dns-option");
  if (settings.search == std::vector<std::string>{"."}) settings.search.clear();  // Docker: "no search domains"
  std::string text = line_of("search", settings.search);
  for (const auto& server : settings.servers) text += "nameserver " + server + "\n";
  return text + line_of("options", settings.options);
}

}  // namespace sandbox::container
