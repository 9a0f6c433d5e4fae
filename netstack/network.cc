// What a network's helper and a supervisor say to each other, as JSON; see sandbox/base/json_fields.h.
#include "netstack/network.h"

#include "sandbox/base/json_fields.h"

namespace sandbox::netstack {

template <class A>
void describe(A& field, Described<Network> auto& network) {
  field("id", network.id);
  field("name", network.name);
  field("subnet", network.subnet);
  field("range", network.range);
  field("gateway", network.gateway);
  field("dns", network.dns);
  field("reserved", network.reserved);
  field("mtu", network.mtu);
  field("internal", network.internal);
}

template <class A>
void describe(A& field, Described<PortForward> auto& forward) {
  field("host_ip", forward.host_ip);
  field("host_port", forward.host_port);
  field("guest_port", forward.guest_port);
  field("udp", forward.udp);
}

template <class A>
void describe(A& field, Described<Joining> auto& joining) {
  field("names", joining.names);
  field("links", joining.links);
  field("address", joining.address);
  field("address_is_needed", joining.address_is_needed);
  field("hardware_address", joining.hardware_address);
  field("forwards", joining.forwards);
  field("name_servers", joining.name_servers);
  field("asks_elsewhere", joining.asks_elsewhere);
}

namespace {

template <class T>
T decoded(const Json& document, const char* what) {
  T value;
  JsonReader(document, what, "").decode(document, "", value);
  return value;
}

}  // namespace

Json to_json(const Network& network) { return JsonWriter::encode(network); }
Network network_from_json(const Json& document) { return decoded<Network>(document, "network"); }
Json to_json(const Joining& joining) { return JsonWriter::encode(joining); }
Joining joining_from_json(const Json& document) { return decoded<Joining>(document, "joining of a network"); }

}  // namespace sandbox::netstack
