// Turns of who fetches what.
#include "sandbox/image/turn.h"

#include <doctest/doctest.h>

#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "sandbox/base/error.h"
#include "tests/support/temporary_directory.h"

namespace sandbox::image {
namespace {

TEST_CASE("a turn is one's alone until it ends") {
  const testing::TemporaryDirectory directory;
  const std::string digest = "sha256:" + std::string(64, '1');
  std::optional<Turn> first(std::in_place, directory.path(), "registry", digest);
  CHECK(first->held());
  CHECK(Turn(directory.path(), "registry", "sha256:" + std::string(64, '2')).held());
  CHECK(Turn(directory.path(), "another registry", digest).held());
  Turn second(directory.path(), "registry", digest);
  CHECK(!second.held());
  std::stop_source given_up;
  given_up.request_stop();
  CHECK_THROWS_AS(second.wait(given_up.get_token()), Error);
  std::jthread waiting([&] { second.wait(); });
  first.reset();
  waiting.join();
  CHECK(second.held());
}

}  // namespace
}  // namespace sandbox::image
