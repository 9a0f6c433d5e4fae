// Writing (supervisor) and reading (`logs`) of a container's log, see log_file.h.
#include "sandbox/container/log_file.h"

#include <poll.h>
#include <time.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox::container {
namespace {

constexpr std::size_t max_record = 16U << 10;
constexpr int follow_interval_ms = 100;

std::string format_time(timespec when) {
  tm parts{};
  ::gmtime_r(&when.tv_sec, &parts);
  char date[32];
  ::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:09}Z", date, when.tv_nsec);
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

/// Docker's json-file driver.
class JsonLog final : public LogSink {
 public:
  JsonLog(const std::string& path, Rotation rotation) : file_(path, rotation) {}

  void record(Stream stream, std::string_view text) override {
    if (time_.empty()) time_ = log_time_now();
    batch_ += R"({"log":)";
    append_quoted(batch_, text);
    batch_ += stream == Stream::out ? R"(,"stream":"stdout","time":")" : R"(,"stream":"stderr","time":")";
    batch_ += time_;
    batch_ += "\"}\n";
  }

  void flush() override {
    file_.append(batch_);
    batch_.clear();
    time_.clear();
  }

 private:
  LineWriter file_;
  std::string batch_;  ///< Records that were made at once, written together.
  std::string time_;
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

}  // namespace

std::string log_time_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return format_time(now);
}

std::unique_ptr<LogSink> json_log(const std::string& path, Rotation rotation) {
  return std::make_unique<JsonLog>(path, rotation);
}

void LogWriter::append(Stream stream, std::string_view data) {
  if (!sink_) return;
  std::string& partial = partial_[static_cast<std::size_t>(stream)];
  while (!data.empty()) {
    const std::size_t newline = data.find('\n');
    const std::size_t size = std::min(newline == std::string_view::npos ? data.size() : newline + 1, max_record);
    partial.append(data.substr(0, size));
    data.remove_prefix(size);
    while (partial.size() > max_record) {
      const std::size_t end = cut(partial);
      sink_->record(stream, std::string_view(partial).substr(0, end));
      partial.erase(0, end);
    }
    if (partial.ends_with('\n')) {
      sink_->record(stream, partial);
      partial.clear();
    }
  }
  sink_->flush();
}

void LogWriter::finish() {
  if (!sink_) return;
  for (const Stream stream : {Stream::out, Stream::err}) {
    std::string& partial = partial_[static_cast<std::size_t>(stream)];
    if (!partial.empty()) sink_->record(stream, partial);
    partial.clear();
  }
  sink_->flush();
}

void read_log(const std::string& path, const LogOptions& options, const std::function<void(const LogRecord&)>& sink) {
  LineReader lines(path, options.tail);
  // Our times are UTC of one width: their order is that of the strings.
  const std::string since = options.since ? format_time(*options.since) : "";
  const std::string until = options.until ? format_time(*options.until) : "~";  // after all digits
  for (;;) {
    const bool late = options.until && log_time_now() > until;
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
