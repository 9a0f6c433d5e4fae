// Writing (supervisor) and reading (`logs`) of a container's log, see log_file.h.
#include "sandbox/container/log_file.h"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <iterator>

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

/// How many bytes at the beginning of `text` a JSON string has as they are: ASCII but for controls, '"' and '\\' (RFC
/// 8259, section 7). Eight at a time: this is most of what a busy container costs its supervisor.
std::size_t plain_prefix(std::string_view text) {
  constexpr std::uint64_t each = 0x0101'0101'0101'0101, tops = each * 0x80;
  const auto below = [](std::uint64_t word, std::uint64_t bound) { return (word - each * bound) & ~word & tops; };
  std::size_t size = 0;
  for (std::uint64_t word = 0; size + sizeof word <= text.size(); size += sizeof word) {
    std::memcpy(&word, text.data() + size, sizeof word);
    if ((word & tops) | below(word, ' ') | below(word ^ (each * '"'), 1) | below(word ^ (each * '\\'), 1)) break;
  }
  const auto is_plain = [](unsigned char c) { return c >= ' ' && c < 0x80 && c != '"' && c != '\\'; };
  while (size < text.size() && is_plain(text[size])) ++size;
  return size;
}

/// Characters that have a short escape, and its second letter.
constexpr std::string_view escaped = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";

void append_escaped(std::string& target, char c) {
  if (const auto at = escaped.find(c); at != std::string_view::npos) {
    target += {'\\', letters[at]};
  } else {
    fmt::format_to(std::back_inserter(target), "\\u{:04x}", static_cast<unsigned>(c));
  }
}

/// Appends `text` as a JSON string. Only what is not ASCII has to be looked at by who knows UTF-8.
void append_quoted(std::string& target, std::string_view text) {
  const std::size_t begin = target.size();
  target += '"';
  for (std::string_view rest = text;;) {
    const std::size_t plain = plain_prefix(rest);
    target += rest.substr(0, plain);
    if (plain == rest.size()) break;
    const char c = rest[plain];
    if ((static_cast<unsigned char>(c) & 0x80U) != 0) {
      target.resize(begin);
      target += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
      return;
    }
    append_escaped(target, c);
    rest.remove_prefix(plain + 1);
  }
  target += '"';
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

/// The text of a JSON string's inside, if it is all ASCII and its escapes are short.
std::optional<std::string> unquoted(std::string_view inside) {
  std::string text;
  for (;;) {
    const std::size_t plain = plain_prefix(inside);
    text += inside.substr(0, plain);
    inside.remove_prefix(plain);
    if (inside.empty()) return text;
    const auto letter = inside.size() > 1 && inside[0] == '\\' ? letters.find(inside[1]) : std::string_view::npos;
    if (letter == std::string_view::npos) return std::nullopt;
    text += escaped[letter];
    inside.remove_prefix(2);
  }
}

/// Nearly all records: as JsonLog writes them, and nothing in it needs a JSON parser, which takes ten times as long.
std::optional<LogRecord> parse_usual(std::string_view line) {
  constexpr std::string_view begin = R"({"log":")", end = R"("})", time_begin = R"(,"time":")";
  constexpr std::size_t time_size = std::string_view("2026-11-26T23:45:00.000000000Z").size();
  const auto take_end = [&](std::string_view part) {
    if (!line.ends_with(part)) return false;
    line.remove_suffix(part.size());
    return true;
  };
  if (!line.starts_with(begin) || !take_end(end) || line.size() < begin.size() + time_size) return std::nullopt;
  const std::string_view time = line.substr(line.size() - time_size);
  if (plain_prefix(time) != time_size || !take_end(time) || !take_end(time_begin)) return std::nullopt;
  const bool is_error = take_end(R"(","stream":"stderr")");
  if ((!is_error && !take_end(R"(","stream":"stdout")")) || line.size() <= begin.size()) return std::nullopt;
  auto text = unquoted(line.substr(begin.size()));
  if (!text) return std::nullopt;
  return LogRecord{is_error ? Stream::err : Stream::out, std::move(*text), std::string(time)};
}

std::optional<LogRecord> parse_record(const std::string& line) {
  if (auto record = parse_usual(line)) return record;
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
    const std::string_view piece = data.substr(0, size);
    data.remove_prefix(size);
    if (partial.empty() && piece.ends_with('\n')) {
      sink_->record(stream, piece);
      continue;
    }
    partial += piece;
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
