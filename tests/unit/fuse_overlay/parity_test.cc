// The same operations on our mount, on kernel overlayfs and in a native directory; and the same layers
// served by both rungs in turn.
#include <doctest/doctest.h>

#include "mounted.h"
#include "operations.h"

using namespace sandbox;
using namespace sandbox::overlay::test;

namespace {

/// Lines of two transcripts that differ.
std::string difference(const std::string& left, const std::string& right) {
  std::string found;
  for (std::size_t a = 0, b = 0; a < left.size() || b < right.size();) {
    const auto line = [](const std::string& text, std::size_t& at) {
      const auto end = std::min(text.find('\n', at), text.size());
      const std::string result = at < text.size() ? text.substr(at, end - at) : "(nothing)";
      at = std::min(end + 1, text.size());
      return result;
    };
    const std::string one = line(left, a), other = line(right, b);
    if (one != other) found += one + "   <>   " + other + "\n";
  }
  return found;
}

std::string operate(Rung rung, bool merged) {
  const Layers layers;
  make_operation_tree(layers);
  return in_merge(layers, rung, [merged] { return run_operations(merged) + describe_tree(); });
}

}  // namespace

TEST_CASE("every operation has the result, the errno and the effect that it has in a native directory") {
  CHECK(difference(operate(Rung::fuse, false), operate(Rung::native, false)) == "");
}

TEST_CASE("every operation has the result, the errno and the effect that it has on kernel overlayfs") {
  CHECK(difference(operate(Rung::fuse, false), operate(Rung::kernel, false)) == "");
}

TEST_CASE("what one rung has written, the other one shows") {
  for (const auto& [writer, reader] : {std::pair{Rung::fuse, Rung::kernel}, std::pair{Rung::kernel, Rung::fuse}}) {
    const Layers layers;
    make_operation_tree(layers);
    const std::string left = in_merge(layers, writer, [] { return run_operations(false), describe_tree(); });
    CHECK(difference(in_merge(layers, reader, describe_tree), left) == "");
    CHECK(difference(in_merge(layers, writer, describe_tree), left) == "");  // mounted again
  }
}

TEST_CASE("what containers may not do in a merge") {
  const std::string refused = operate(Rung::fuse, true);
  CHECK(refused.find("rename a lower directory: 0\n") != std::string::npos);
  CHECK(refused.find("whiteout by hand: -1\n") != std::string::npos);  // EPERM
  CHECK(refused.find("an attribute with the name of a mark: 0\nis no mark: 0\n") != std::string::npos);
  CHECK(refused.find("seeing a mark: -61\n") != std::string::npos);  // ENODATA
}
