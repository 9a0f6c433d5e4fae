// See build_progress.h.
#include "sandbox/cli/build_progress.h"

#include <stdio.h>
#include <unistd.h>

#include <map>

#include "sandbox/base/error.h"
#include "sandbox/cli/output_lines.h"
#include "sandbox/cli/table.h"

namespace sandbox::cli {
namespace {

void put(const std::string& text) { ::fputs(without_controls(text).c_str(), stderr); }

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
  void explained(const build::Vertex& what, const std::vector<std::string>& reasons) override {
    for (const std::string& reason : reasons) put(fmt::format("{}\n    {}\n", what.title, reason));
  }
  void built(const engine::BuiltImage& made) override {
    if (made.id.empty()) return;
    put(fmt::format("writing image {} done\n", made.id));
    for (const image::Reference& name : made.names) put(fmt::format("naming to {} done\n", name.canonical()));
  }

 private:
  struct Step {
    std::size_t number = 0;
    Clock::time_point start = Clock::now();
    OutputLines lines;
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
  void explained(const build::Vertex&, const std::vector<std::string>&) override {}
  void built(const engine::BuiltImage&) override {}

 private:
  static constexpr std::size_t kMostKept = 64U << 10;
  std::map<std::size_t, std::string> output_;
};

}  // namespace

std::unique_ptr<ShownProgress> make_progress(const std::string& kind) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (kind == "quiet" || kind == "none") return std::make_unique<Quiet>();
  if (kind == "tty" && !terminal) throw UsageError("failed to get console: standard error is no terminal");
  if (kind == "tty" || (kind == "auto" && terminal)) return terminal_progress();
  if (kind == "plain" || kind == "auto") return std::make_unique<Plain>();
  if (kind == "rawjson") return json_progress();
  throw UsageError(fmt::format("invalid progress value \"{}\": auto, plain, tty, quiet or rawjson", kind));
}

}  // namespace sandbox::cli
