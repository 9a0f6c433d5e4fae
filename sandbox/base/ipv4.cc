// See ipv4.h.
#include "sandbox/base/ipv4.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>

namespace sandbox {
namespace {

constexpr int kBits = 32;

std::uint32_t mask_of(int prefix) { return prefix == 0 ? 0 : ~std::uint32_t{0} << (kBits - prefix); }

}  // namespace

std::optional<std::uint32_t> parse_ipv4(const std::string& text) {
  in_addr address{};
  if (::inet_pton(AF_INET, text.c_str(), &address) != 1) return {};
  return ntohl(address.s_addr);
}

std::string ipv4_text(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff, address & 0xff);
}

std::uint32_t Ipv4Range::last() const { return first | ~mask_of(prefix); }

bool Ipv4Range::contains(std::uint32_t address) const { return (address & mask_of(prefix)) == first; }

bool Ipv4Range::contains(const Ipv4Range& other) const { return other.prefix >= prefix && contains(other.first); }

std::string Ipv4Range::text() const { return fmt::format("{}/{}", ipv4_text(first), prefix); }

Ipv4Range ipv4_range_of(std::uint32_t address, int prefix) { return {address & mask_of(prefix), prefix}; }

std::optional<Ipv4Range> parse_ipv4_range(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return {};
  const auto address = parse_ipv4(text.substr(0, slash));
  int prefix = -1;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, prefix);
  if (!address || error != std::errc() || stop != end || prefix < 0 || prefix > kBits) return {};
  return ipv4_range_of(*address, prefix);
}

}  // namespace sandbox
