// Private to this room: questions for names (RFC 1035) that the network itself can answer. Pure; works on bytes that a
// container's root wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sandbox::netstack {

struct DnsQuestion {
  std::string name;  ///< "db.mynet": lower case, without the dot at the end.
  std::uint16_t type = 0;
  std::size_t end = 0;                           ///< Where it ends in the message.
  bool of_address() const { return type == 1; }  ///< A
  bool of_name() const { return type == 12; }    ///< PTR
};

/// No value: not a plain query (opcode 0) with one question of class IN, or none that is written out in full.
std::optional<DnsQuestion> parse_question(std::span<const std::uint8_t> message);

/// `refused`: what has resolvers ask their next server (resolv.conf(5)), while they take "no such name" for an answer.
enum class DnsResult : std::uint8_t { found = 0, no_such_name = 3, refused = 5 };

/// What to answer: `addresses` to a question of an address, `name` to one of a name; neither: there is such a name, but
/// nothing of the type asked for.
struct DnsAnswer {
  DnsResult result = DnsResult::found;
  std::vector<std::uint32_t> addresses;  ///< Host byte order.
  std::string name;
};

/// The message that answers `message`. Without the records that are no more in 512 bytes (RFC 1035, 4.2.1).
std::vector<std::uint8_t> answer_message(std::span<const std::uint8_t> message, const DnsQuestion& question,
                                         const DnsAnswer& answer);

/// Of "4.3.18.172.in-addr.arpa": the address. None for anything else.
std::optional<std::uint32_t> reverse_address(const std::string& name);

}  // namespace sandbox::netstack
