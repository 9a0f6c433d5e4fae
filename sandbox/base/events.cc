// See events.h.
#include "sandbox/base/events.h"

#include <fcntl.h>
#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/line_series.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

constexpr off_t kFull = 1 << 20;
constexpr int kFiles = 4;
constexpr std::size_t kMostBytes = 16U << 10;  // of one: labels are strangers' words
constexpr std::int64_t kSecond = 1'000'000'000;

std::string path_of(const std::string& store) { return store + "/events"; }

std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return std::int64_t{time.tv_sec} * kSecond + time.tv_nsec;
}

std::string line_of(const Event& event) {
  const Json document = {{"type", event.type},
                         {"action", event.action},
                         {"id", event.id},
                         {"attributes", event.attributes},
                         {"time", event.time}};
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<Event> parse(const std::string& line) {
  const Json document = Json::parse(line, nullptr, false);
  if (!document.is_object()) return {};
  const auto text = [&](const char* key) {
    const auto found = document.find(key);
    return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Event event{text("type"), text("action"), text("id"), {}, 0};
  const auto time = document.find("time");
  if (event.type.empty() || event.action.empty() || time == document.end() || !time->is_number_integer()) return {};
  event.time = time->get<std::int64_t>();
  if (const auto found = document.find("attributes"); found != document.end() && found->is_object()) {
    for (const auto& [key, value] : found->items()) {
      if (value.is_string()) event.attributes[key] = value.get<std::string>();
    }
  }
  return event;
}

/// One write of the whole line: O_APPEND keeps those of several processes apart.
void append(const std::string& store, const std::string& line) {
  const std::string path = path_of(store);
  const auto open = [&] {
    return sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600) |
           or_throw("opening '{}'", path);
  };
  Fd file = open();
  const auto is_full = [&] {
    const auto status = sys::fstatat(AT_FDCWD, path.c_str(), 0);
    return status && status->st_size >= kFull;
  };
  if (is_full()) {
    const FileLock lock(path + ".lock");
    if (is_full()) put_aside(path, kFiles);
    file = open();
  }
  (void)sys::write_all(file.get(), line.data(), line.size());
}

}  // namespace

void record_event(const std::string& store, Event event) noexcept {
  try {
    event.time = now();
    if (event.action.size() > kMostBytes / 2) event.action.resize(kMostBytes / 2);
    std::string line = line_of(event);
    while (line.size() > kMostBytes && !event.attributes.empty()) {
      event.attributes.erase(std::prev(event.attributes.end()));
      line = line_of(event);
    }
    append(store, line);
  } catch (const std::exception&) {
    // What has happened has happened.
  }
}

void read_events(const std::string& store, const EventOptions& options, const std::function<void(const Event&)>& sink) {
  LineReader lines(path_of(store), options.from_now ? std::optional<std::size_t>(0) : std::nullopt);
  do {
    while (const auto line = lines.next()) {
      const auto event = parse(*line);
      if (!event || event->time < options.since.value_or(event->time)) continue;
      if (event->time <= options.until.value_or(event->time)) sink(*event);
    }
  } while (options.go_on && options.go_on());
}

}  // namespace sandbox
