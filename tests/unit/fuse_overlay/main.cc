// The test executable is also the overlay helper that spawn_overlay starts.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <string_view>

#include "fuse-overlay/overlay_server.h"

int main(int argc, char** argv) {
  if (argc == 8 && std::string_view(argv[1]) == "helper") {
    const auto fd = [argv](int index) { return sandbox::Fd(std::atoi(argv[index])); };
    return sandbox::overlay::overlay_main(fd(3), fd(4), fd(5), fd(6), fd(7));
  }
  return doctest::Context(argc, argv).run();
}
