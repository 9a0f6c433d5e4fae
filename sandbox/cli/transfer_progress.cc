#include "sandbox/cli/transfer_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr unsigned bar_width = 50, columns_for_bar = 110;
constexpr auto between_updates = std::chrono::milliseconds(100);

winsize terminal_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    size.ws_col = 80;
    size.ws_row = 24;
  }
  return size;
}

/// One row for each blob, which is drawn again in its place. A row that has left the screen stays as it is.
class TerminalProgress : public image::Progress {
 public:
  void line(const std::string& text) override {
    const std::scoped_lock lock(mutex_);
    rows_.clear();
    print(without_controls(text) + "\n");
  }

  void status(const std::string& blob, const std::string& text) override {
    const std::scoped_lock lock(mutex_);
    draw(row_of(blob), blob + ": " + text);
  }

  void bytes(const std::string& blob, const std::string& text, std::uint64_t done, std::uint64_t total) override {
    const std::scoped_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    const std::size_t row = row_of(blob);
    if (row < rows_.size() && now - rows_[row].drawn < between_updates) return;
    draw(row, fmt::format("{}: {} {}", blob, text, progress_bar(done, total, terminal_size().ws_col)));
  }

 private:
  struct Row {
    std::string blob;
    std::chrono::steady_clock::time_point drawn;
  };

  std::size_t row_of(const std::string& blob) const {
    return static_cast<std::size_t>(std::ranges::find(rows_, blob, &Row::blob) - rows_.begin());
  }

  void draw(std::size_t row, const std::string& text) {
    const auto now = std::chrono::steady_clock::now();
    if (row == rows_.size()) {
      rows_.push_back({text.substr(0, text.find(':')), now});
      return print(without_controls(text) + "\n");
    }
    rows_[row].drawn = now;
    const std::size_t up = rows_.size() - row;
    if (up >= terminal_size().ws_row) return;
    print(fmt::format("\x1b[{}A\r\x1b[2K{}\r\x1b[{}B", up, without_controls(text), up));
  }

  std::mutex mutex_;
  std::vector<Row> rows_;
};

}  // namespace

std::unique_ptr<image::Progress> transfer_progress(bool quiet) {
  if (quiet) return std::make_unique<image::LineProgress>(nullptr);
  if (::isatty(STDOUT_FILENO) == 1) return std::make_unique<TerminalProgress>();
  return std::make_unique<image::LineProgress>([](const std::string& line) { print(without_controls(line) + "\n"); });
}

std::string progress_bar(std::uint64_t done, std::uint64_t total, unsigned columns) {
  const std::string numbers = total == 0 || done > total
                                  ? fmt::format("{:>8}", engine::human_size(done))
                                  : fmt::format("{:>8}/{}", engine::human_size(done), engine::human_size(total));
  if (columns <= columns_for_bar) return numbers;
  const auto full = total == 0 ? 0
                               : static_cast<unsigned>(std::min<double>(
                                     static_cast<double>(done) / static_cast<double>(total) * bar_width, bar_width));
  return fmt::format("[{}>{}] {}", std::string(full, '='), std::string(bar_width - full, ' '), numbers);
}

}  // namespace sandbox::cli
