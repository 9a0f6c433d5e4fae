// See names.h.
#include "sandbox/engine/names.h"

#include <iterator>

#include "sandbox/base/identifier.h"

namespace sandbox::engine {
namespace {

constexpr const char* kAdjectives[] = {
    "amber", "brave", "bright", "calm", "candid", "clever", "cosy", "crisp", "eager", "fair", "fluent",
    "gentle", "glad", "hardy", "honest", "jolly", "keen", "kind", "lively", "lucid", "mellow", "merry",
    "nimble", "patient", "placid", "polite", "proud", "quick", "quiet", "serene", "sturdy", "witty"};
constexpr const char* kSurnames[] = {
    "abel", "babbage", "bernoulli", "boole", "cantor", "cerf", "church", "codd", "curie", "dijkstra", "erdos",
    "euler", "fermat", "franklin", "gauss", "germain", "hamilton", "hilbert", "hopper", "kepler", "knuth",
    "kovalevskaya", "lamport", "lovelace", "mccarthy", "meitner", "noether", "pascal", "ritchie", "shannon",
    "turing", "wirth"};

}  // namespace

std::string random_name() {
  const std::string random = random_hex(8);
  const auto pick = [&](std::size_t offset, std::size_t count) {
    return std::stoul(random.substr(offset, 4), nullptr, 16) % count;
  };
  return std::string(kAdjectives[pick(0, std::size(kAdjectives))]) + "_" + kSurnames[pick(4, std::size(kSurnames))];
}

}  // namespace sandbox::engine
