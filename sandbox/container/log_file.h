// A container's log in Docker's json-file format: {"log":"…\n","stream":"stdout","time":"…"} a line.
#pragma once

#include <time.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sandbox/base/line_series.h"

namespace sandbox::container {

enum class Stream { out, err };

/// As in records: UTC, of one width ("2026-11-26T23:45:00.000000000Z").
std::string log_time_now();

/// Where records go. Trouble there never stops the container: records are lost then.
class LogSink {
 public:
  virtual ~LogSink() = default;
  /// `text` ends with "\n" unless more of the line follows, or none will.
  virtual void record(Stream stream, std::string_view text) = 0;
  virtual void flush() {}
};

/// The file `path` and those that were put aside. Throws SysError.
std::unique_ptr<LogSink> json_log(const std::string& path, Rotation rotation = {});

/// Cuts output into lines. A longer line becomes several records of at most 16 KiB, of which only the last ends with
/// "\n". Bytes that are not UTF-8 become U+FFFD in a file.
class LogWriter {
 public:
  explicit LogWriter(std::unique_ptr<LogSink> sink) : sink_(std::move(sink)) {}  ///< None: nothing is kept.
  void append(Stream stream, std::string_view data);
  void finish();  ///< Records lines that have no end yet.

 private:
  std::unique_ptr<LogSink> sink_;
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
/// Calls `sink` for each record of json_log(); lines that are no records are skipped. An absent log is empty.
void read_log(const std::string& path, const LogOptions& options, const std::function<void(const LogRecord&)>& sink);

}  // namespace sandbox::container
