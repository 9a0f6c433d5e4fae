// `build --progress tty`: a row for each step, drawn again in its place, with the last lines of those that run.
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <deque>
#include <map>

#include "sandbox/cli/build_progress.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/output_lines.h"
#include "sandbox/cli/table.h"

namespace sandbox::cli {
namespace {

constexpr std::size_t kMostLines = 6;        // of a step that runs
constexpr std::size_t kMostKept = 64 << 10;  // bytes, of one that may fail
constexpr double kBetweenPictures = 0.1;     // seconds

winsize terminal_size() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20 || size.ws_row < 4) size = {24, 80, 0, 0};
  return size;
}

class TerminalProgress : public ShownProgress {
 public:
  void notice(const std::string& line) override {
    erase();
    put(line + "\n");
    draw();
  }
  void begun(std::size_t vertex, const build::Vertex& what) override {
    rows_.push_back({.vertex = vertex, .title = what.title});
    draw();
  }
  void output(std::size_t vertex, std::string_view text) override {
    Row& row = row_of(vertex);
    row.kept.append(text);
    if (row.kept.size() > 2 * kMostKept) row.kept.erase(0, row.kept.size() - kMostKept);
    row.lines.add(text, [&](const std::string& line) {
      row.last.push_back(line);
      if (row.last.size() > kMostLines) row.last.pop_front();
    });
    if (seconds_since(drawn_at_) > kBetweenPictures) draw();
  }
  void done(std::size_t vertex, const build::Vertex& what, bool cached) override {
    if (cached) rows_.push_back({.vertex = vertex, .title = "CACHED " + what.title});
    end(row_of(vertex));
  }
  void failed(std::size_t vertex, const build::Vertex& what) override {
    Row& row = row_of(vertex);
    row.title = "ERROR " + row.title;
    end(row);
    put(fmt::format("------\n > {}:\n{}------\n", what.title, row.kept));
  }
  void explained(const build::Vertex& what, const std::vector<std::string>& reasons) override {
    for (const std::string& reason : reasons) notice(fmt::format("{}: {}", what.title, reason));
  }
  void built(const engine::BuiltImage& made) override {
    if (made.id.empty()) return;
    put(fmt::format(" => writing image {}\n", made.id));
    for (const image::Reference& name : made.names) put(fmt::format(" => naming to {}\n", name.canonical()));
  }

 private:
  struct Row {
    std::size_t vertex = 0;
    std::string title = {};
    Clock::time_point start = Clock::now();
    double seconds = -1;  ///< Once it is done.
    OutputLines lines = {};
    std::deque<std::string> last = {};
    std::string kept = {};
  };

  static void put(const std::string& text) { ::fputs(without_controls(text).c_str(), stderr); }

  Row& row_of(std::size_t vertex) {
    for (Row& row : rows_) {
      if (row.vertex == vertex) return row;
    }
    return rows_.emplace_back(Row{.vertex = vertex});
  }

  void end(Row& row) {
    row.seconds = seconds_since(row.start);
    row.last.clear();
    draw();
  }

  void erase() {
    if (height_ > 0) fmt::print(stderr, "\x1b[{}A\r\x1b[J", height_);
    height_ = 0;
  }

  /// One row of the screen: cut, with the time at its right.
  static std::string fitted(const std::string& text, const std::string& time, std::size_t columns) {
    const std::size_t room = columns - std::min(columns, time.size() + 1);
    const std::string shown = ellipsis(one_cell(text), room);
    return shown + std::string(room - std::min(room, characters_in(shown)), ' ') + time;
  }

  void draw() {
    const winsize size = terminal_size();
    std::vector<std::string> picture;
    std::size_t done = 0;
    for (const Row& row : rows_) {
      done += row.seconds < 0 ? 0 : 1;
      const double seconds = row.seconds < 0 ? seconds_since(row.start) : row.seconds;
      picture.push_back(fitted(" => " + row.title, fmt::format("{:.1f}s", seconds), size.ws_col));
      for (const std::string& line : row.last) picture.push_back(fitted(" => => # " + line, "", size.ws_col));
    }
    erase();
    const std::size_t room = size.ws_row - 2U;
    const std::size_t first = picture.size() > room ? picture.size() - room : 0;
    fmt::print(stderr, "[+] Building {:.1f}s ({}/{})\n", seconds_since(start_), done, rows_.size());
    for (std::size_t i = first; i < picture.size(); ++i) fmt::print(stderr, "{}\n", picture[i]);
    height_ = picture.size() - first + 1;
    drawn_at_ = Clock::now();
  }

  Clock::time_point start_ = Clock::now(), drawn_at_ = start_;
  std::deque<Row> rows_;
  std::size_t height_ = 0;  ///< Of the picture on the screen.
};

}  // namespace

std::unique_ptr<ShownProgress> terminal_progress() { return std::make_unique<TerminalProgress>(); }

}  // namespace sandbox::cli
