// IPv4 addresses and ranges of them, as text and as numbers. Numbers are in host byte order. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace sandbox {

/// "172.18.0.1"; none for anything else.
std::optional<std::uint32_t> parse_ipv4(const std::string& text);
std::string ipv4_text(std::uint32_t address);

/// The addresses that agree in their first `prefix` bits (RFC 4632).
struct Ipv4Range {
  std::uint32_t first = 0;
  int prefix = 32;  ///< 0 to 32.

  bool operator==(const Ipv4Range&) const = default;
  std::uint32_t last() const;
  bool contains(std::uint32_t address) const;
  bool contains(const Ipv4Range& other) const;
  bool overlaps(const Ipv4Range& other) const { return contains(other) || other.contains(*this); }
  std::string text() const;  ///< "172.18.0.0/16"
};

/// The range of `prefix` that `address` is in.
Ipv4Range ipv4_range_of(std::uint32_t address, int prefix);
/// "172.18.3.4/16", which is in 172.18.0.0/16: the range. None for anything else.
std::optional<Ipv4Range> parse_ipv4_range(const std::string& text);

}  // namespace sandbox
