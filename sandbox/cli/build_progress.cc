// See build_progress.h.
#include "sandbox/cli/build_progress.h"

#include <stdio.h>
#include <unistd.h>

#include <chrono>
#include <map>

#include "sandbox/base/error.h"
#include "sandbox/cli/table.h"

namespace sandbox::cli {
namespace {

using Clock = std::chrono::steady_clock;

void put(const std::string& text) { ::fputs(without_controls(text).c_str(), stderr); }

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Output cut into lines; bounded, however long a line gets.
class Lines {
 public:
  template <class Show>
  void add(std::string_view text, Show show) {
    for (const char c : text) {
      if (c != '\n' && rest_.size() < kLongest) {
        rest_ += c;
        continue;
      }
      show(rest_);
      rest_.clear();
      if (c != '\n') rest_ += c;
    }
  }
  template <class Show>
  void finish(Show show) {
    if (!rest_.empty()) show(std::exchange(rest_, {}));
  }

 private:
  static constexpr std::size_t kLongest = 16U << 10;
  std::string rest_;
};

/// "#4 0.123 text"; steps are numbered as they come.
class Plain : public ShownProgress {
 public:
  void notice(const std::string& line) override { put(line + "\n"); }
  void begun(std::size_t vertex, const build::Vertex& what) override {
    Step& step = steps_[vertex];
    step.number = ++count_;
    put(fmt::format("#{} {}\n", step.number, what.title));
  }
  void output(std::size_t vertex, std::string_view text) override {
    Step& step = steps_[vertex];
    step.lines.add(text, [&](const std::string& line) { show(step, line); });
  }
  void done(std::size_t vertex, const build::Vertex& what, bool cached) override {
    if (cached) {
      put(fmt::format("#{} {}\n#{} CACHED\n\n", count_ + 1, what.title, count_ + 1));
      ++count_;
      return;
    }
    Step& step = steps_[vertex];
    step.lines.finish([&](const std::string& line) { show(step, line); });
    put(fmt::format("#{} DONE {:.1f}s\n\n", step.number, seconds_since(step.start)));
  }
  void failed(std::size_t vertex, const build::Vertex&) override {
    Step& step = steps_[vertex];
    step.lines.finish([&](const std::string& line) { show(step, line); });
    put(fmt::format("#{} ERROR\n", step.number));
  }
  void built(const std::string& id, const std::vector<std::string>& tags) override {
    put(fmt::format("writing image {} done\n", id));
    for (const std::string& tag : tags) put(fmt::format("naming to {} done\n", tag));
  }

 private:
  struct Step {
    std::size_t number = 0;
    Clock::time_point start = Clock::now();
    Lines lines;
  };
  static void show(const Step& step, const std::string& line) {
    put(fmt::format("#{} {:.3f} {}\n", step.number, seconds_since(step.start), line));
  }

  std::map<std::size_t, Step> steps_;
  std::size_t count_ = 0;
};

/// Nothing, until a step fails: then what it has said last.
class Quiet : public ShownProgress {
 public:
  void notice(const std::string& line) override {
    if (line.starts_with("WARNING")) put(line + "\n");
  }
  void begun(std::size_t, const build::Vertex&) override {}
  void output(std::size_t vertex, std::string_view text) override {
    std::string& kept = output_[vertex];
    kept += text;
    if (kept.size() > 2 * kMostKept) kept.erase(0, kept.size() - kMostKept);
  }
  void done(std::size_t vertex, const build::Vertex&, bool) override { output_.erase(vertex); }
  void failed(std::size_t vertex, const build::Vertex& what) override {
    put(fmt::format("------\n > {}:\n{}------\n", what.title, output_[vertex]));
  }
  void built(const std::string&, const std::vector<std::string>&) override {}

 private:
  static constexpr std::size_t kMostKept = 64U << 10;
  std::map<std::size_t, std::string> output_;
};

}  // namespace

std::unique_ptr<ShownProgress> make_progress(const std::string& kind) {
  if (kind == "quiet") return std::make_unique<Quiet>();
  if (kind == "plain" || kind == "auto") return std::make_unique<Plain>();
  throw UsageError(fmt::format("invalid progress value \"{}\": auto, plain or quiet", kind));
}

}  // namespace sandbox::cli
