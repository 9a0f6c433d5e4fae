// Scripts of random operations on our mount, on kernel overlayfs and in a native directory: what programs see must be
// the same, but for the rules of README.md. What differs is made as short as it gets, and printed.
//
//     SANDBOX_SEEDS=1-200 SANDBOX_OPERATIONS=600 overlay_test -tc='random*'
//     SANDBOX_SEEDS=90 SANDBOX_SCRIPT=FILE overlay_test -tc='a script*'      # on the seed's tree; -s: all results
#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

#include "world.h"

using namespace sandbox::overlay::test;

namespace {

using Faults = std::vector<std::string>;

/// Results and views that differ, with the operations.
Faults compare(const Outcome& ours, const Outcome& theirs, const char* who) {
  Faults faults;
  for (std::size_t i = 0; i < ours.script.size() && faults.size() < 5; ++i) {
    if (ours.results[i] == theirs.results[i]) continue;
    faults.push_back(
        fmt::format("{}: ours {} <> {}'s {}", render(ours.script[i]), ours.results[i], who, theirs.results[i]));
  }
  for (const auto& difference : differences(ours.view, theirs.view)) faults.push_back("at the end: " + difference);
  return faults;
}

/// Against a native directory, and our own mount once more.
Faults faults_to_native(const World& world, const Script& script) {
  Faults faults;
  const Outcome ours = run(world, Rung::fuse, &script, &faults);
  const Faults more = compare(ours, run(world, Rung::native, &script), "native");
  faults.insert(faults.begin(), more.begin(), more.end());
  return faults;
}

/// What kernel overlayfs refuses, and how a native directory doesn't (README.md).
bool is_known_refusal(const Operation& operation, const std::string& result) {
  if (operation.kind == Kind::removexattr) return result == "ENODATA" && operation.other.starts_with("security.");
  if (operation.kind == Kind::fsetxattr) return result == "EEXIST";
  return operation.kind == Kind::rename && (result == "EXDEV" || result == "ESTALE");
}

/// Without what kernel overlayfs doesn't show: that two names are of one file, and that an open one has none any more
/// (README.md).
Outcome without_links(Outcome outcome) {
  for (std::string& line : outcome.view) line.resize(std::min(line.find(" same as "), line.size()));
  for (std::size_t i = 0; i < outcome.script.size(); ++i) {
    if (outcome.script[i].kind == Kind::fstat) outcome.results[i] = without_link_count(outcome.results[i]);
  }
  return outcome;
}

Faults faults_to_kernel(World world, const Script& script) {
  world.has_hard_cases = false;
  const Outcome kernel = run(world, Rung::kernel, &script);
  Script shared;
  Outcome theirs{{}, {}, kernel.view, {}};
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (is_known_refusal(script[i], kernel.results[i])) continue;
    shared.push_back(script[i]);
    theirs.results.push_back(kernel.results[i]);
  }
  theirs.script = shared;
  return compare(without_links(run(world, Rung::fuse, &shared)), without_links(theirs), "kernel overlayfs");
}

/// Leaves out operations, ever fewer at once, as long as there are faults.
template <class Find>
Script shrink(Script script, Find find) {
  for (std::size_t size = script.size() / 2; size > 0; size /= 2) {
    for (std::size_t at = 0; at < script.size();) {
      Script shorter = script;
      const auto begin = shorter.begin() + static_cast<std::ptrdiff_t>(at);
      shorter.erase(begin, begin + static_cast<std::ptrdiff_t>(std::min(size, script.size() - at)));
      if (find(shorter).empty()) {
        at += size;
      } else {
        script = std::move(shorter);
      }
    }
  }
  return script;
}

template <class Find>
bool check_script(const World& world, const char* against, const Script& script, Find find) {
  if (find(script).empty()) return true;
  const Script shortest = shrink(script, find);
  std::string text = fmt::format("seed {}, compared with {}:\n", world.seed, against);
  for (const Operation& operation : shortest) text += "    " + render(operation) + "\n";
  for (const std::string& fault : find(shortest)) text += "  " + fault + "\n";
  std::cout << text << std::flush;
  return false;
}

bool check_seed(const World& world) {
  const Script script = run(world, Rung::native, nullptr).script;
  const bool native = check_script(world, "a native directory", script,
                                   [&](const Script& some) { return faults_to_native(world, some); });
  const bool kernel = check_script(world, "kernel overlayfs", script,
                                   [&](const Script& some) { return faults_to_kernel(world, some); });
  return native && kernel;
}

/// Of an environment variable, "FROM-TO" or "COUNT".
std::pair<unsigned, unsigned> range(const char* variable, unsigned from, unsigned to) {
  const char* text = ::getenv(variable);
  if (text == nullptr) return {from, to};
  char* end = nullptr;
  const auto first = static_cast<unsigned>(::strtoul(text, &end, 10));
  return {first, *end == '-' ? static_cast<unsigned>(::strtoul(end + 1, nullptr, 10)) : first};
}

std::string text_of(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("random operations have the same results and leave the same tree as natively, and in kernel overlayfs") {
  const auto [from, to] = range("SANDBOX_SEEDS", 1, 6);
  const auto operations = range("SANDBOX_OPERATIONS", 300, 300).first;
  unsigned failed = 0;
  for (unsigned seed = from; seed <= to; ++seed) {
    failed += check_seed({seed, static_cast<int>(operations), true}) ? 0 : 1;
  }
  CHECK(failed == 0);
}

TEST_CASE("many processes at once leave a tree that a remount shows as it was, and that goes as a whole") {
  const auto [from, to] = range("SANDBOX_SEEDS", 1, 3);
  for (unsigned seed = from; seed <= to; ++seed) {
    CAPTURE(seed);
    std::string text;
    for (const std::string& fault :
         faults_of_many({seed, static_cast<int>(range("SANDBOX_OPERATIONS", 250, 250).first), true}, 4))
      text += fault + "\n";
    CHECK(text == "");
  }
}

TEST_CASE("a script that was written down is run again") {
  const World world{range("SANDBOX_SEEDS", 1, 1).first, 60, true};
  std::ostringstream written;
  for (const Operation& operation : run(world, Rung::native, nullptr).script) written << render(operation) << "\n";
  if (const char* file = ::getenv("SANDBOX_SCRIPT"); file != nullptr) written.str(text_of(file));
  std::istringstream lines(written.str());
  Script script;
  for (std::string line; std::getline(lines, line);) script.push_back(parse_operation(line));
  REQUIRE(!script.empty());
  const Outcome ours = run(world, Rung::fuse, &script), native = run(world, Rung::native, &script);
  std::string results;
  for (std::size_t i = 0; i < script.size(); ++i) {
    results += fmt::format("{}: ours {}, native {}\n", render(script[i]), ours.results[i], native.results[i]);
  }
  INFO(results);
  CHECK(ours.results == native.results);
}
