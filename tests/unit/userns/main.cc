// Test runner that is also the process that keeps the user's namespace, as the real program is.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <string_view>

#include "userns/kept_namespace.h"

int main(int count, char** arguments) {
  if (count == 4 && std::string_view(arguments[1]) == "helper" && std::string_view(arguments[2]) == "park") {
    return sandbox::userns::park_main(arguments[3]);
  }
  doctest::Context context(count, arguments);
  return context.run();
}
