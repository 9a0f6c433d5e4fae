// See solver.h.
#include "sandbox/build/solver.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/base/fd.h"
#include "sandbox/base/sys.h"

namespace sandbox::build {
namespace {

/// While it lives the signals that end a build are held back, and seen by who waits.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    ::sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&held, signal);
    ::sigprocmask(SIG_BLOCK, &held, &before_);
    fd_ = Fd(::signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~HeldSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  /// Returns when one of the items is ready. Throws Interrupted.
  void wait(std::vector<pollfd>& items) const {
    items.push_back({fd_.get(), POLLIN, 0});
    while (::poll(items.data(), items.size(), -1) < 0) {
      if (errno != EINTR) throw SysError(Errno{errno}, "waiting for a build's steps");
    }
    items.pop_back();
    signalfd_siginfo info{};
    const auto size = sys::read(fd_.get(), &info, sizeof info);
    if (size && *size == sizeof info) throw Interrupted(static_cast<int>(info.ssi_signo));
  }

 private:
  sigset_t before_{};
  Fd fd_;
};

class Solver {
 public:
  Solver(const Graph& graph, StepExecutor& executor, std::size_t parallel)
      : graph_(graph), executor_(executor), parallel_(parallel), results_(graph.vertices.size()) {}

  std::vector<Files> run() {
    for (;;) {
      begin_ready();
      if (running_.empty()) break;
      await();
    }
    std::vector<Files> results;
    for (auto& result : results_) results.push_back(std::move(*result));
    return results;
  }

 private:
  struct Running {
    std::size_t vertex;
    std::unique_ptr<RunningStep> step;
  };

  bool is_running(std::size_t vertex) const {
    return std::ranges::find(running_, vertex, &Running::vertex) != running_.end();
  }

  /// What goes in, if all of it is there.
  std::optional<std::vector<const Files*>> inputs_of(std::size_t vertex) const {
    std::vector<const Files*> inputs;
    for (const int input : graph_.vertices[vertex].inputs()) {
      const auto& result = results_[static_cast<std::size_t>(input)];
      if (!result) return {};
      inputs.push_back(&*result);
    }
    return inputs;
  }

  /// Vertices stand behind their inputs: one pass finds all that can begin.
  void begin_ready() {
    for (std::size_t vertex = 0; vertex < results_.size(); ++vertex) {
      if (results_[vertex] || is_running(vertex) || running_.size() >= parallel_) continue;
      const auto inputs = inputs_of(vertex);
      if (!inputs) continue;
      results_[vertex] = executor_.recall(vertex, *inputs);
      if (!results_[vertex]) running_.push_back({vertex, executor_.start(vertex, *inputs)});
    }
  }

  void await() {
    std::vector<pollfd> items;
    for (const Running& running : running_) items.push_back({running.step->fd(), POLLIN, 0});
    signals_.wait(items);
    for (std::size_t i = running_.size(); i-- > 0;) {
      if (items[i].revents == 0) continue;
      auto result = running_[i].step->advance();
      if (!result) continue;
      results_[running_[i].vertex] = std::move(result);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  const Graph& graph_;
  StepExecutor& executor_;
  std::size_t parallel_;
  std::vector<std::optional<Files>> results_;
  HeldSignals signals_;
  std::vector<Running> running_;  // ended before signals do again what they do
};

}  // namespace

std::vector<Files> solve(const Graph& graph, StepExecutor& executor, std::size_t parallel) {
  return Solver(graph, executor, parallel).run();
}

}  // namespace sandbox::build
