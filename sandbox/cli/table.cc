// See table.h. Pure.
#include "sandbox/cli/table.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "sandbox/base/digest.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/reference.h"

namespace sandbox::cli {
namespace {

std::string host_of(const std::string& ip) { return ip.find(':') != std::string::npos ? "[" + ip + "]" : ip; }

/// Ports that are the same on both sides, or have no other, as long as each follows the one before.
struct PortGroup {
  std::string ip, protocol;
  unsigned first = 0, last = 0;

  std::string text() const {
    const std::string range = first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
    if (ip.empty()) return fmt::format("{}/{}", range, protocol);
    return fmt::format("{}:{}->{}/{}", host_of(ip), range, range, protocol);
  }
};

}  // namespace

std::string short_id(const std::string& id) { return std::string(hex_of(id).substr(0, 12)); }

std::pair<std::string, std::string> name_cells(const std::string& name) {
  if (name.empty()) return {"<none>", "<none>"};
  const image::Reference reference = image::parse_reference(name);
  const std::string familiar = reference.familiar();
  if (!reference.digest.empty()) return {familiar.substr(0, familiar.find('@')), "<none>"};
  return {familiar.substr(0, familiar.rfind(':')), reference.tag};
}

std::string command_cell(const std::vector<std::string>& argv, bool whole) {
  std::string text = argv.empty() ? std::string() : argv[0];
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const bool quoted = argv[i].find(' ') != std::string::npos;  // as moby's daemon/container/view.go
    text += quoted ? fmt::format(" '{}'", argv[i]) : " " + argv[i];
  }
  return go_quoted(whole ? text : ellipsis(text, 20));
}

namespace {

const char* health_note(container::Health health) {
  switch (health) {
    case container::Health::starting: return " (health: starting)";
    case container::Health::healthy: return " (healthy)";
    case container::Health::unhealthy: return " (unhealthy)";
    case container::Health::none: break;
  }
  return "";
}

}  // namespace

std::string status_cell(const container::State& state, std::int64_t now) {
  switch (state.status) {
    case container::Status::created: return "Created";
    case container::Status::running: return "Up " + engine::human_duration(now - state.started) + (state.paused ? " (Paused)" : health_note(state.health));
    case container::Status::restarting:
      return fmt::format("Restarting ({}) {} ago", state.exit_code, engine::human_duration(now - state.finished));
    case container::Status::exited: break;
  }
  return fmt::format("Exited ({}) {} ago", state.exit_code, engine::human_duration(now - state.finished));
}

std::string ports_cell(std::vector<container::PublishedPort> ports) {
  const auto rank = [](const auto& port) { return std::tuple(port.container_port, port.host_ip, port.host_port, port.udp); };
  std::ranges::sort(ports, {}, rank);
  std::vector<std::string> finished, moved;
  std::vector<PortGroup> open;
  for (const auto& port : ports) {
    const std::string protocol = port.udp ? "udp" : "tcp";
    if (!port.host_ip.empty() && port.host_port != port.container_port) {
      moved.push_back(fmt::format("{}:{}->{}/{}", host_of(port.host_ip), port.host_port, port.container_port, protocol));
      continue;
    }
    const auto group = std::ranges::find_if(open, [&](const auto& one) { return one.ip == port.host_ip && one.protocol == protocol; });
    if (group == open.end()) {
      open.push_back({port.host_ip, protocol, port.container_port, port.container_port});
    } else if (port.container_port == group->last + 1) {
      group->last = port.container_port;
    } else {
      finished.push_back(group->text());
      group->first = group->last = port.container_port;
    }
  }
  for (const PortGroup& group : open) finished.push_back(group.text());
  finished.insert(finished.end(), moved.begin(), moved.end());
  return fmt::format("{}", fmt::join(finished, ", "));
}

}  // namespace sandbox::cli
