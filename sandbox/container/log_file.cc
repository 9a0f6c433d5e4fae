// Writing (supervisor) and reading (`logs`) of a container's log, see log_file.h.
#include "sandbox/container/log_file.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::container {
namespace {

constexpr std::size_t max_record = 16U << 10;
constexpr std::size_t max_line = 8 * max_record;  // each byte escaped as \u0000, and the frame around
constexpr int follow_interval_ms = 100;

std::string format_time(timespec when) {
  tm parts{};
  ::gmtime_r(&when.tv_sec, &parts);
  char date[32];
  ::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:09}Z", date, when.tv_nsec);
}

std::string time_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return format_time(now);
}

/// Where to cut an overlong line: at max_record, or before a UTF-8 sequence that would be torn.
std::size_t cut(std::string_view text) {
  const auto is_continuation = [&](std::size_t i) { return (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80; };
  std::size_t end = max_record;
  while (end > max_record - 4 && end < text.size() && is_continuation(end)) --end;
  return end > max_record - 4 ? end : max_record;
}

/// Appends `text` as a JSON string. Plain lines, nearly all there are, take the short way.
void append_quoted(std::string& target, std::string_view text) {
  const bool line = text.ends_with('\n');
  const std::string_view body = line ? text.substr(0, text.size() - 1) : text;
  const bool plain = std::all_of(body.begin(), body.end(), [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (!plain) {
    target += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    return;
  }
  target += '"';
  target += body;
  target += line ? "\\n\"" : "\"";
}

class LineFile {
 public:
  explicit LineFile(Fd fd) : fd_(std::move(fd)) {}
  /// The next whole line without its end; none at the end of the file (call again to follow).
  std::optional<std::string> next() {
    for (;;) {
      if (const auto end = buffer_.find('\n', start_); end != std::string::npos) {
        std::string line = buffer_.substr(start_, end - start_);
        start_ = end + 1;
        return line;
      }
      buffer_.erase(0, start_);
      start_ = 0;
      if (buffer_.size() > max_line) buffer_.clear();  // no line of ours
      char chunk[65536];
      const std::size_t count = sys::read(fd_.get(), chunk, sizeof chunk) | or_throw("reading a log");
      if (count == 0) return std::nullopt;
      buffer_.append(chunk, count);
    }
  }

 private:
  Fd fd_;
  std::string buffer_;
  std::size_t start_ = 0;
};

std::optional<LogRecord> parse_record(const std::string& line) {
  const Json document = Json::parse(line, nullptr, false);
  if (!document.is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto found = document.find(key);
    return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  LogRecord record{text("stream") == "stderr" ? Stream::err : Stream::out, text("log"), text("time")};
  if (record.text.empty() || record.time.empty()) return std::nullopt;
  return record;
}

/// Where the last `count` lines begin; read from the end, since a log may be much larger than what is wanted of it.
off_t begin_of_last(int fd, std::size_t count) {
  off_t end = ::lseek(fd, 0, SEEK_END);
  if (end < 0) throw SysError(Errno{errno}, "measuring a log");
  std::size_t ends = 0;  // of lines, seen so far: one more than the lines behind them
  char chunk[65536];
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(sizeof chunk));
    const std::size_t size = sys::pread(fd, chunk, static_cast<std::size_t>(end - begin), begin) | or_throw("reading a log");
    for (std::size_t i = size; i-- > 0;) {
      if (chunk[i] == '\n' && ends++ == count) return begin + static_cast<off_t>(i) + 1;
    }
    end = begin;
  }
  return 0;
}

}  // namespace

LogWriter::LogWriter(const std::string& path)
    : fd_(sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600) |
          or_throw("opening log '{}'", path)) {}

void LogWriter::record(Stream stream, std::string_view text) {
  if (time_.empty()) time_ = time_now();
  batch_ += R"({"log":)";
  append_quoted(batch_, text);
  batch_ += stream == Stream::out ? R"(,"stream":"stdout","time":")" : R"(,"stream":"stderr","time":")";
  batch_ += time_;
  batch_ += "\"}\n";
}

void LogWriter::write() {
  (void)sys::write_all(fd_.get(), batch_.data(), batch_.size());
  batch_.clear();
  time_.clear();
}

void LogWriter::append(Stream stream, std::string_view data) {
  std::string& partial = partial_[static_cast<std::size_t>(stream)];
  while (!data.empty()) {
    const std::size_t newline = data.find('\n');
    const std::size_t size = std::min(newline == std::string_view::npos ? data.size() : newline + 1, max_record);
    partial.append(data.substr(0, size));
    data.remove_prefix(size);
    while (partial.size() > max_record) {
      const std::size_t end = cut(partial);
      record(stream, std::string_view(partial).substr(0, end));
      partial.erase(0, end);
    }
    if (partial.ends_with('\n')) {
      record(stream, partial);
      partial.clear();
    }
  }
  write();
}

void LogWriter::finish() {
  for (const Stream stream : {Stream::out, Stream::err}) {
    std::string& partial = partial_[static_cast<std::size_t>(stream)];
    if (!partial.empty()) record(stream, partial);
    partial.clear();
  }
  write();
}

void read_log(const std::string& path, const LogOptions& options, const std::function<void(const LogRecord&)>& sink) {
  auto fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY);
  while (!fd && fd.error().value == ENOENT && options.follow && options.follow()) {
    ::poll(nullptr, 0, follow_interval_ms);
    fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY);
  }
  if (!fd && fd.error().value == ENOENT) return;
  Fd file = std::move(fd) | or_throw("opening log '{}'", path);
  const off_t begin = options.tail ? begin_of_last(file.get(), *options.tail) : 0;
  if (::lseek(file.get(), begin, SEEK_SET) < 0) throw SysError(Errno{errno}, fmt::format("seeking in log '{}'", path));
  LineFile lines(std::move(file));
  // Our times are UTC of one width: their order is that of the strings.
  const std::string since = options.since ? format_time(*options.since) : "";
  const std::string until = options.until ? format_time(*options.until) : "~";  // after all digits
  for (;;) {
    const bool late = options.until && time_now() > until;
    const bool more = !late && options.follow && options.follow();  // asked before reading: the last lines are not missed
    while (const auto line = lines.next()) {
      const auto record = parse_record(*line);
      if (record && record->time >= since && record->time <= until) sink(*record);
    }
    if (options.caught_up) options.caught_up();
    if (!more) return;
    ::poll(nullptr, 0, follow_interval_ms);
  }
}

}  // namespace sandbox::container
