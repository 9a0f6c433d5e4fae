// Lines in a file that only grows, and is put aside when it is full: `path` is the newest, `path.1` the one before, and
// so on. Logs of containers, events. A reader takes no lock and goes on where it is while files are put aside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/fd.h"

namespace sandbox {

/// When a file is full, and how many files there are in all.
struct Rotation {
  std::uint64_t most_bytes = 0;  ///< 0: it is never full.
  int most_files = 1;
};

/// Puts `path` aside, and what was put aside before it one further; the oldest goes. No effect when it is absent.
void put_aside(const std::string& path, int most_files);

/// The one process that writes.
class LineWriter {
 public:
  /// Throws SysError.
  LineWriter(std::string path, Rotation rotation);
  /// `lines` are whole. What can't be written (a full disk) is lost as a whole, and nothing torn stays behind.
  void append(std::string_view lines);

 private:
  void open();
  void write(std::string_view lines);
  std::string path_;
  Rotation rotation_;
  Fd fd_;
  std::uint64_t size_ = 0;
};

class LineReader {
 public:
  /// From the beginning, or the last `tail` lines. What is absent is empty. Throws SysError.
  explicit LineReader(std::string path, std::optional<std::size_t> tail = {});
  /// The next whole line without its end; none where nothing more is written yet. Throws SysError.
  std::optional<std::string> next();

 private:
  std::optional<std::string> next_in_file();
  bool go_on();
  std::string path_;
  std::deque<Fd> ahead_;  ///< Files after the current one, oldest first.
  Fd current_;
  std::string buffer_;
  std::size_t start_ = 0;
};

}  // namespace sandbox
