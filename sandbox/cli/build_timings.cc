// `build --timings`: where a build's time went.
#include <stdio.h>

#include <map>

#include "sandbox/cli/build_progress.h"
#include "sandbox/cli/output_lines.h"
#include "sandbox/cli/table.h"

namespace sandbox::cli {
namespace {

class Timings : public ShownProgress {
 public:
  explicit Timings(std::unique_ptr<ShownProgress> shown) : shown_(std::move(shown)) {}
  ~Timings() override {
    std::string text;
    for (const auto& [vertex, step] : steps_) {
      text += step.cached ? fmt::format("{:>10}  {}\n", "cached", step.title)
                          : fmt::format("{:>8.3f} s  {}\n", step.seconds, step.title);
    }
    text += fmt::format("{:>8.3f} s  in all\n", seconds_since(start_));
    ::fputs(without_controls(text).c_str(), stderr);
  }

  void notice(const std::string& line) override { shown_->notice(line); }
  void begun(std::size_t vertex, const build::Vertex& what) override {
    steps_[vertex] = {what.title, Clock::now()};
    shown_->begun(vertex, what);
  }
  void output(std::size_t vertex, std::string_view text) override { shown_->output(vertex, text); }
  void done(std::size_t vertex, const build::Vertex& what, bool cached) override {
    if (cached) steps_[vertex] = {what.title, Clock::now(), 0, true};
    end(vertex);
    shown_->done(vertex, what, cached);
  }
  void failed(std::size_t vertex, const build::Vertex& what) override {
    end(vertex);
    shown_->failed(vertex, what);
  }
  void explained(const build::Vertex& what, const std::vector<std::string>& reasons) override {
    shown_->explained(what, reasons);
  }
  void built(const engine::BuiltImage& made) override { shown_->built(made); }

 private:
  struct Step {
    std::string title;
    Clock::time_point start;
    double seconds = 0;
    bool cached = false;
  };
  void end(std::size_t vertex) { steps_[vertex].seconds = seconds_since(steps_[vertex].start); }

  std::unique_ptr<ShownProgress> shown_;
  Clock::time_point start_ = Clock::now();
  std::map<std::size_t, Step> steps_;
};

}  // namespace

std::unique_ptr<ShownProgress> with_timings(std::unique_ptr<ShownProgress> shown) {
  return std::make_unique<Timings>(std::move(shown));
}

}  // namespace sandbox::cli
