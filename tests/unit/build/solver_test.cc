#include <doctest/doctest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "sandbox/base/fd.h"
#include "sandbox/build/solver.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

/// 0 and 1 stand alone, 2 comes on 0, 3 on 2 and copies from 1.
Graph diamond() {
  Graph graph;
  graph.vertices.push_back({RunOp{}, kScratch, "0"});
  graph.vertices.push_back({RunOp{}, kScratch, "1"});
  graph.vertices.push_back({RunOp{}, 0, "2"});
  CopyOp copy;
  copy.source = 1;
  graph.vertices.push_back({copy, 2, "3"});
  graph.result = 3;
  return graph;
}

struct Script {
  std::set<std::size_t> recalled, failing;
  int signal = 0;  ///< Raised by a step that begins.
  std::vector<std::size_t> started;
  std::size_t running = 0, most = 0, ended_early = 0;
};

class FakeStep : public RunningStep {
 public:
  FakeStep(Script& script, std::size_t vertex, Files files)
      : script_(script), vertex_(vertex), files_(std::move(files)), event_(::eventfd(1, EFD_CLOEXEC)) {
    script_.most = std::max(script_.most, ++script_.running);
    if (script_.signal != 0) ::raise(script_.signal);
  }
  ~FakeStep() override {
    --script_.running;
    if (!done_) ++script_.ended_early;
  }
  int fd() const override { return event_.get(); }
  std::optional<Files> advance() override {
    if (script_.failing.contains(vertex_)) throw Error("it fails");
    done_ = true;
    return files_;
  }

 private:
  Script& script_;
  std::size_t vertex_;
  Files files_;
  Fd event_;
  bool done_ = false;
};

class FakeExecutor : public StepExecutor {
 public:
  explicit FakeExecutor(Script& script) : script_(script) {}
  std::optional<Files> recall(std::size_t vertex, const std::vector<const Files*>& inputs) override {
    if (!script_.recalled.contains(vertex)) return {};
    return result(vertex, inputs);
  }
  std::unique_ptr<RunningStep> start(std::size_t vertex, const std::vector<const Files*>& inputs) override {
    script_.started.push_back(vertex);
    return std::make_unique<FakeStep>(script_, vertex, result(vertex, inputs));
  }

 private:
  static Files result(std::size_t vertex, const std::vector<const Files*>& inputs) {
    Files files = inputs.empty() ? Files() : *inputs[0];
    for (std::size_t i = 1; i < inputs.size(); ++i) files.created += inputs[i]->layers.back().digest;
    files.layers.push_back({"", std::to_string(vertex), "", 0});
    return files;
  }
  Script& script_;
};

std::vector<Files> solved(Script& script, std::size_t parallel) {
  FakeExecutor executor(script);
  return solve(diamond(), executor, parallel);
}

}  // namespace

TEST_CASE("each vertex gets what its inputs came to") {
  for (const std::size_t parallel : {1U, 8U}) {
    Script script;
    const auto results = solved(script, parallel);
    REQUIRE(results.size() == 4);
    CHECK(results[3].layers.size() == 3);
    CHECK(results[3].layers[0].digest == "0");
    CHECK(results[3].created == "1");
    CHECK(script.started.size() == 4);
    CHECK(script.most == std::min<std::size_t>(parallel, 2));
  }
}

TEST_CASE("what is recalled is not started") {
  Script script{.recalled = {0, 2}};
  (void)solved(script, 4);
  CHECK(script.started == std::vector<std::size_t>{1, 3});
}

TEST_CASE("a failure ends the other steps") {
  Script script{.failing = {0, 1}};
  CHECK_THROWS_WITH((void)solved(script, 2), "it fails");
  CHECK(script.running == 0);
  CHECK(script.ended_early == 2);
}

TEST_CASE("a signal ends all steps, however busy they are, and is held back no longer afterwards") {
  sigset_t before, after;
  ::sigprocmask(SIG_BLOCK, nullptr, &before);
  Script script{.signal = SIGTERM};
  CHECK_THROWS_AS((void)solved(script, 2), Interrupted);
  CHECK(script.running == 0);
  ::sigprocmask(SIG_BLOCK, nullptr, &after);
  CHECK(::sigismember(&before, SIGTERM) == ::sigismember(&after, SIGTERM));
}
