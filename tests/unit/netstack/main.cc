// Test runner that is also the network helper, as the real program is, and the victim that tries what the helper
// must not be able to do.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "netstack/netstack.h"
#include "netstack/network.h"

int main(int count, char** arguments) {
  using sandbox::Fd;
  if (count == 5 && std::string_view(arguments[1]) == "helper" && std::string_view(arguments[2]) == "netstack") {
    const auto fd = [&](int i) { return Fd(std::stoi(arguments[i])); };
    return sandbox::netstack::netstack_main(fd(3), fd(4));
  }
  if (count == 6 && std::string_view(arguments[1]) == "helper" && std::string_view(arguments[2]) == "network") {
    const auto fd = [&](int i) { return Fd(std::stoi(arguments[i])); };
    return sandbox::netstack::network_main(fd(3), fd(4), fd(5));
  }
  doctest::Context context(count, arguments);
  return context.run();
}
