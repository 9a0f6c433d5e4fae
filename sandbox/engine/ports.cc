// See ports.h. Pure.
#include "sandbox/engine/ports.h"

#include <arpa/inet.h>

#include <charconv>
#include <set>
#include <string>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/container/container_store.h"

namespace sandbox::engine {
namespace {

struct Range {
  std::uint16_t first = 0, last = 0;
};

std::uint16_t parse_port(std::string_view text, std::string_view whole) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > 65535) {
    throw UsageError(fmt::format("invalid publish '{}': invalid port '{}'", whole, text));
  }
  return static_cast<std::uint16_t>(value);
}

Range parse_range(std::string_view text, std::string_view whole) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) {
    const auto port = parse_port(text, whole);
    return {port, port};
  }
  const Range range{parse_port(text.substr(0, dash), whole), parse_port(text.substr(dash + 1), whole)};
  if (range.last < range.first) throw UsageError(fmt::format("invalid publish '{}': invalid range '{}'", whole, text));
  return range;
}

std::string parse_address(std::string_view text, std::string_view whole) {
  std::string address(text);
  in6_addr storage{};
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
    if (::inet_pton(AF_INET6, address.c_str(), &storage) == 1) return address;
  } else if (::inet_pton(AF_INET, address.c_str(), &storage) == 1) {
    return address;
  }
  throw UsageError(fmt::format("invalid publish '{}': invalid IP address '{}'", whole, text));
}

void add_unpublished(const std::vector<std::string>& exposed, const std::string& host_ip,
                     std::vector<container::PublishedPort>& ports) {
  std::set<std::string> published;
  for (const auto& port : ports) published.insert(port_name(port));
  for (const std::string& name : exposed) {
    if (published.contains(name)) continue;
    ports.push_back(parse_publish(name).front());
    ports.back().host_ip = host_ip;
  }
}

}  // namespace

std::vector<container::PublishedPort> parse_publish(std::string_view whole) {
  std::string_view text = whole;
  container::PublishedPort port;
  if (const auto slash = text.rfind('/'); slash != std::string_view::npos) {
    const std::string_view protocol = text.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") {
      throw UsageError(fmt::format("invalid publish '{}': invalid proto '{}'", whole, protocol));
    }
    port.udp = protocol == "udp";
    text = text.substr(0, slash);
  }
  const auto last_colon = text.rfind(':');
  const Range inside = parse_range(last_colon == std::string_view::npos ? text : text.substr(last_colon + 1), whole);
  Range outside{0, static_cast<std::uint16_t>(inside.last - inside.first)};
  bool chosen = false;  // the host's ports are named
  if (last_colon != std::string_view::npos) {
    std::string_view host = text.substr(0, last_colon);
    if (const auto colon = host.rfind(':'); colon != std::string_view::npos) {
      port.host_ip = parse_address(host.substr(0, colon), whole);
      host = host.substr(colon + 1);
    }
    if (!host.empty() && host != "0") {  // Docker: as without one
      outside = parse_range(host, whole);
      chosen = true;
    }
  }
  if (outside.last - outside.first != inside.last - inside.first) {
    throw UsageError(fmt::format("invalid publish '{}': the ranges have different lengths", whole));
  }
  std::vector<container::PublishedPort> ports;
  for (unsigned i = 0; i <= unsigned{inside.last} - inside.first; ++i) {
    port.host_port = chosen ? static_cast<std::uint16_t>(outside.first + i) : std::uint16_t{0};
    port.container_port = static_cast<std::uint16_t>(inside.first + i);
    ports.push_back(port);
  }
  return ports;
}

std::vector<container::PublishedPort> parse_expose(const std::string& text) {
  if (text.find(':') != std::string::npos)
    throw UsageError(fmt::format("invalid port format for --expose: {}", text));
  try {
    return parse_publish(text);
  } catch (const UsageError&) {
    throw UsageError(fmt::format("invalid range format for --expose: {}", text));
  }
}

std::string port_name(const container::PublishedPort& port) {
  return fmt::format("{}/{}", port.container_port, port.udp ? "udp" : "tcp");
}

std::vector<std::string> exposed_ports(const std::vector<std::string>& of_image,
                                       const std::vector<std::string>& given) {
  std::set<std::pair<std::uint16_t, bool>> found;
  const auto add = [&](const std::string& text) {
    for (const auto& port : parse_expose(text)) found.emplace(port.container_port, port.udp);
  };
  for (const std::string& text : of_image) {
    try {
      add(text);
    } catch (const UsageError&) {
      continue;
    }
  }
  for (const std::string& text : given) add(text);
  std::vector<std::string> names;
  for (const auto& [port, udp] : found) names.push_back(port_name({"", 0, port, udp}));
  return names;
}

void publish_exposed(const std::vector<std::string>& exposed, std::vector<container::PublishedPort>& ports) {
  add_unpublished(exposed, container::PublishedPort().host_ip, ports);
}

std::vector<container::PublishedPort> shown_ports(const container::SpecHead& spec, const container::State& state) {
  if (state.status != container::Status::running) return {};
  std::vector<container::PublishedPort> ports = container::published_ports(spec, state);
  const bool has_network = spec.network != "none" && spec.network != "host" && !spec.network.starts_with("container:");
  if (has_network) add_unpublished(spec.exposed, "", ports);
  return ports;
}

}  // namespace sandbox::engine
