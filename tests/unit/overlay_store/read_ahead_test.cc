#include "fuse-overlay/store/read_ahead.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>

#include "sandbox/base/error.h"

namespace sandbox::overlay {
namespace {

/// The numbers below `end`, each a block of its own.
class Numbers {
 public:
  explicit Numbers(int end) : end_(end) {}
  std::size_t operator()(std::span<std::byte> block, const std::stop_token& = {}) {
    if (next_ == end_) return 0;
    std::memcpy(block.data(), &next_, sizeof next_);
    ++next_;
    return sizeof next_;
  }

 private:
  int next_ = 0, end_;
};

int number_in(std::span<const std::byte> block) {
  int number = -1;
  REQUIRE(block.size() == sizeof number);
  std::memcpy(&number, block.data(), sizeof number);
  return number;
}

TEST_CASE("blocks come in their order, and then the end, as often as it is asked for") {
  ReadAhead ahead{Numbers(1000)};
  for (int i = 0; i < 1000; ++i) CHECK(number_in(ahead.next()) == i);
  CHECK(ahead.next().empty());
  CHECK(ahead.next().empty());
}

TEST_CASE("an error comes behind the blocks that were made before it") {
  ReadAhead ahead([numbers = Numbers(10)](std::span<std::byte> block, const std::stop_token&) mutable {
    const std::size_t size = numbers(block);
    return size > 0 ? size : throw InvalidInput("damaged");
  });
  for (int i = 0; i < 10; ++i) CHECK(number_in(ahead.next()) == i);
  CHECK_THROWS_AS((void)ahead.next(), InvalidInput);
  CHECK_THROWS_AS((void)ahead.next(), InvalidInput);
}

TEST_CASE("who leaves before the end ends the thread, which is never far ahead") {
  std::atomic<int> made = 0;
  {
    ReadAhead ahead(
        [&](std::span<std::byte>, const std::stop_token&) -> std::size_t { return static_cast<std::size_t>(++made); });
    for (std::size_t i = 1; i <= 100; ++i) CHECK(ahead.next().size() == i);
    CHECK(made <= 104);
  }
  CHECK(made >= 100);
  ReadAhead unused([](std::span<std::byte>, const std::stop_token&) -> std::size_t { return 1; });
}

}  // namespace
}  // namespace sandbox::overlay
