// The helper's configuration as JSON: written by the spawning process into a memfd, read by the
// helper. Numbers are range-checked here, addresses where libslirp gets them (serve.cc).
#include <limits>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox::netstack {
namespace {

// The range that libslirp accepts (IF_MTU_MIN, IF_MTU_MAX) within what a tap takes.
constexpr int kSmallestMtu = 68;
constexpr int kLargestMtu = 65520;

int number_from(const Json& document, const char* key, int least, int most) {
  const Json& value = document.at(key);
  if (!value.is_number_integer()) throw InvalidInput(fmt::format("network configuration: '{}' is not an integer", key));
  const auto number = value.get<std::int64_t>();
  if (number < least || number > most) {
    throw InvalidInput(fmt::format("network configuration: '{}' is {}, not within {} to {}", key, number, least, most));
  }
  return static_cast<int>(number);
}

std::uint16_t port_from(const Json& document, const char* key, int least) {
  return static_cast<std::uint16_t>(number_from(document, key, least, std::numeric_limits<std::uint16_t>::max()));
}

}  // namespace

Json to_json(const Config& config) {
  Json forwards = Json::array();
  for (const PortForward& forward : config.forwards) {
    forwards.push_back({{"hostIp", forward.host_ip},
                        {"hostPort", forward.host_port},
                        {"guestPort", forward.guest_port},
                        {"udp", forward.udp}});
  }
  return {{"guestAddress", config.guest_address},
          {"gateway", config.gateway},
          {"dns", config.dns},
          {"prefix", config.prefix},
          {"mtu", config.mtu},
          {"forwards", std::move(forwards)},
          {"allowHostLoopback", config.allow_host_loopback}};
}

Config config_from_json(const Json& document) {
  try {
    Config config;
    config.guest_address = document.at("guestAddress").get<std::string>();
    config.gateway = document.at("gateway").get<std::string>();
    config.dns = document.at("dns").get<std::string>();
    config.prefix = number_from(document, "prefix", 8, 30);
    config.mtu = number_from(document, "mtu", kSmallestMtu, kLargestMtu);
    for (const Json& entry : document.at("forwards")) {
      config.forwards.push_back({.host_ip = entry.at("hostIp").get<std::string>(),
                                 .host_port = port_from(entry, "hostPort", 0),
                                 .guest_port = port_from(entry, "guestPort", 1),
                                 .udp = entry.at("udp").get<bool>()});
    }
    config.allow_host_loopback = document.at("allowHostLoopback").get<bool>();
    return config;
  } catch (const Json::exception& error) {
    throw InvalidInput(fmt::format("network configuration: {}", error.what()));
  }
}

}  // namespace sandbox::netstack
