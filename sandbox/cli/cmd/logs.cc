// `logs`: the output that the supervisor kept.
#include <errno.h>
#include <stdio.h>

#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/log_sink.h"
#include "sandbox/engine/moments.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"details", '\0', nullptr, "Show extra details provided to logs"},
    {"follow", 'f', nullptr, "Follow log output"},
    {"since", '\0', "string", "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for 42 "
                             "minutes)"},
    {"tail", 'n', "string", "Number of lines to show from the end of the logs (default \"all\")"},
    {"timestamps", 't', nullptr, "Show timestamps"},
    {"until", '\0', "string", "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or relative (e.g. \"42m\" for "
                             "42 minutes)"},
};

std::optional<std::size_t> parse_tail(const std::string& text) {
  if (text == "all" || text == "-1") return {};
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) throw UsageError("invalid value for --tail: " + text);
  return count;
}

std::optional<timespec> parse_limit(const Arguments& arguments, const char* name) {
  const auto text = arguments.last(name);
  if (!text) return {};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  try {
    return engine::parse_moment(*text, now);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("invalid value for \"{}\": {}", name, error.what()));
  }
}

/// Standard output and standard error, which may be one terminal: buffered, and in the order of what is written.
class Output {
 public:
  Output() {
    for (FILE* stream : {stdout, stderr}) ::setvbuf(stream, nullptr, _IOFBF, 1U << 16);
  }
  FILE* select(container::Stream which) {
    FILE* stream = which == container::Stream::err ? stderr : stdout;
    if (stream != current_) flush();
    return current_ = stream;
  }
  void flush() {
    if (::fflush(current_) != 0) throw SysError(Errno{errno}, "writing the log");
  }

 private:
  FILE* current_ = stdout;
};

int run(const Arguments& arguments) {
  const container::ContainerStore store(find_places());
  const auto found = store.find(arguments.positional[0]);
  container::require_readable_log(found);
  container::LogOptions options;
  options.tail = parse_tail(arguments.text("tail", "all"));
  options.since = parse_limit(arguments, "since");
  options.until = parse_limit(arguments, "until");
  if (arguments.flag("follow")) {
    options.follow = [&store, id = found.spec.id] {
      try {
        return container::is_up(store.find(id).state);
      } catch (const NotFound&) {
        return false;
      }
    };
  }
  const bool timestamps = arguments.flag("timestamps"), details = arguments.flag("details");
  Output output;
  options.caught_up = [&output] { output.flush(); };
  container::read_log(container::log_path(found), options, [&](const container::LogRecord& record) {
    FILE* stream = output.select(record.stream);
    if (timestamps) ::fprintf(stream, "%s ", record.time.c_str());
    if (details) ::fputc(' ', stream);  // behind attributes, of which no log has any: --log-opt labels, env
    ::fwrite(record.text.data(), 1, record.text.size(), stream);
  });
  return 0;
}

}  // namespace

const Command kLogs{"logs", "logs [OPTIONS] CONTAINER", "Fetch the logs of a container", kOptions, run, 1, 1};

}  // namespace sandbox::cli
