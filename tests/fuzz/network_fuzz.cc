// User-defined networks: descriptions, which another program may have damaged, the words of --network, and the kernel's
// table of routes.
#include "sandbox/base/json.h"
#include "sandbox/container/network.h"
#include "sandbox/engine/attachments.h"
#include "target.h"

using namespace sandbox;

namespace {

void check_description(std::string_view text) {
  const container::Network network = container::network_from_json(parse_json(text, "network"));
  const Ipv4Range subnet = container::subnet_of(network), pool = container::pool_of(network);
  fuzz::require(container::is_valid_network_name(network.name), "a network's name is a file's");
  fuzz::require(subnet.contains(pool), "addresses are the network's");
  const auto reserved = container::reserved_addresses(network);
  for (const std::uint32_t address : reserved) fuzz::require(subnet.contains(address), "reserved ones, too");
  const std::uint64_t size = std::uint64_t{pool.last()} - pool.first + 1;
  const auto begin = reserved.lower_bound(pool.first), end = reserved.upper_bound(pool.last());
  fuzz::require(size > static_cast<std::uint64_t>(std::distance(begin, end)), "there is one for a member");
  const Json written = container::to_json(network);
  fuzz::require(container::to_json(container::network_from_json(written)) == written, "what is written is read back");
}

void check_word(const std::string& text) {
  container::Network network;
  network.subnet = "172.18.0.0/16";
  network.gateway = "172.18.0.1";
  const auto attachment = engine::plan_attachment(network, engine::parse_network_word(text));
  if (attachment.address.empty()) return;
  const auto address = parse_ipv4(attachment.address);
  fuzz::require(address && container::subnet_of(network).contains(*address), "an address is the network's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  fuzz::attempt([&] { check_description(text); });
  fuzz::attempt([&] { check_word(text); });
  for (const Ipv4Range& range : container::routed_ranges(text)) {
    fuzz::require(range.prefix >= 8 && range.prefix <= 32, "a route is no way to everywhere");
    fuzz::require(parse_ipv4_range(range.text()) == range, "a range is written as it is read");
  }
  return 0;
}
