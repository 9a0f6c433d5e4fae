// Bars of progress.
#include <doctest/doctest.h>

#include "sandbox/cli/transfer_progress.h"

namespace sandbox::cli {

TEST_CASE("a wide terminal has a bar, a narrow one the numbers") {
  CHECK(progress_bar(1'200'000, 3'400'000, 80) == "   1.2MB/3.4MB");
  CHECK(progress_bar(1'700'000, 3'400'000, 111) ==
        "[" + std::string(25, '=') + ">" + std::string(25, ' ') + "]    1.7MB/3.4MB");
  CHECK(progress_bar(1000, 0, 80) == "     1kB");
  CHECK(progress_bar(2000, 1000, 200) == "[" + std::string(50, '=') + ">]      2kB");
}

}  // namespace sandbox::cli
