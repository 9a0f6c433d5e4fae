// `events`: what happens to containers, images, networks and volumes, as it happens.
#include <poll.h>
#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/base/events.h"
#include "sandbox/base/places.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/event_text.h"
#include "sandbox/cli/filters.h"
#include "sandbox/engine/moments.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"filter", 'f', "filter", "Filter output based on conditions provided"},
    {"format", '\0', "string", "Format output: 'json', or a Go template"},
    {"since", '\0', "string", "Show all events created since timestamp"},
    {"until", '\0', "string", "Stream events until this timestamp"},
};

constexpr int kInterval = 100;  // milliseconds between two looks
constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t in_nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * kSecond + time.tv_nsec; }

timespec time_now() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

std::optional<std::int64_t> limit_of(const Arguments& arguments, const char* name) {
  const auto text = arguments.last(name);
  if (!text) return {};
  return in_nanoseconds(engine::parse_moment(*text, time_now()));
}

int run(const Arguments& arguments) {
  const Filters filters(arguments, kEventFilters);
  const std::string format = arguments.text("format");
  check_event_format(format);
  EventOptions options;
  options.since = limit_of(arguments, "since");
  options.until = limit_of(arguments, "until");
  options.from_now = !options.since;
  options.go_on = [until = options.until] {
    if (until && in_nanoseconds(time_now()) > *until) return false;
    ::poll(nullptr, 0, kInterval);
    return true;
  };
  read_events(find_places().data, options, [&](const Event& event) {
    if (is_wanted(event, filters)) print(event_line(event, format));
  });
  return 0;
}

}  // namespace

const Command kEvents{"events", "events [OPTIONS]", "Get real time events: of containers, images, networks and volumes",
                      kOptions, run, 0, 0};

}  // namespace sandbox::cli
