// A container's log in Docker's json-file format: {"log":"…\n","stream":"stdout","time":"…"} a line.
#pragma once

#include <time.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/fd.h"

namespace sandbox::container {

enum class Stream { out, err };

/// Appends output, cut into lines. A longer line becomes several records of at most 16 KiB, of
/// which only the last ends with "\n". Bytes that are not UTF-8 become U+FFFD. Trouble with the
/// file (a full disk) never stops the container: records are lost then.
class LogWriter {
 public:
  explicit LogWriter(const std::string& path);
  void append(Stream stream, std::string_view data);
  void finish();  ///< Writes lines that have no end yet.

 private:
  void record(Stream stream, std::string_view text);
  void write();
  Fd fd_;
  std::string batch_;  ///< Records of one append(), written together.
  std::string time_;
  std::string partial_[2];
};

struct LogRecord {
  Stream stream = Stream::out;
  std::string text, time;
};

struct LogOptions {
  std::optional<std::size_t> tail;    ///< Only the last so many lines of the file.
  std::optional<timespec> since;      ///< Only records not older.
  std::optional<timespec> until;      ///< Only records not newer; nothing is waited for after that.
  /// `logs --follow`: go on at the end of the file for as long as this says true.
  std::function<bool()> follow;
  std::function<void()> caught_up;  ///< Called whenever all that is there has been told.
};
/// Calls `sink` for each record; lines that are no records are skipped. An absent log is empty.
void read_log(const std::string& path, const LogOptions& options, const std::function<void(const LogRecord&)>& sink);

}  // namespace sandbox::container
