// See ports.h.
#include "sandbox/build/ports.h"

#include <algorithm>
#include <charconv>

#include "sandbox/base/error.h"

namespace sandbox::build {
namespace {

unsigned port_number(std::string_view digits, std::string_view whole) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size() || value > 65535) {
    throw InvalidInput(fmt::format("invalid containerPort: {}", whole));
  }
  return value;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

std::vector<std::string> exposed_ports(std::string_view text) {
  const auto slash = text.find('/');
  std::string_view range = text.substr(0, slash);
  const std::string protocol = slash == std::string_view::npos ? "tcp" : lower(text.substr(slash + 1));
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
    throw InvalidInput(fmt::format("invalid proto: {}", protocol));
  if (const auto colon = range.rfind(':'); colon != std::string_view::npos)
    range = range.substr(colon + 1);  // the host's part
  const auto dash = range.find('-');
  const unsigned first = port_number(range.substr(0, dash), text);
  const unsigned last = dash == std::string_view::npos ? first : port_number(range.substr(dash + 1), text);
  if (last < first) throw InvalidInput(fmt::format("invalid range specified for port: {}", text));
  std::vector<std::string> ports;
  for (unsigned port = first; port <= last; ++port) ports.push_back(fmt::format("{}/{}", port, protocol));
  return ports;
}

}  // namespace sandbox::build
