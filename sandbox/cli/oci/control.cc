// oci pause, resume, update, events, stats.
#include "sandbox/runtime/control.h"

#include <poll.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/engine/units.h"
#include "sandbox/runtime/cgroup.h"
#include "sandbox/runtime/stats.h"

namespace sandbox::cli {
namespace {

constexpr Option kEventsOptions[] = {
    {"interval", '\0', "DURATION", "Between two messages (default: 5s)"},
    {"stats", '\0', nullptr, "One message, and no more"},
};

// --- update --------------------------------------------------------------------------------------

constexpr Option kUpdateOptions[] = {
    {"resources", 'r', "FILE", "The limits as JSON, from standard input with \"-\", in place of the options below"},
    {"blkio-weight", '\0', "N", "Share of the block devices, 10 to 1000"},
    {"cpu-burst", '\0', "USEC", "What may be saved up of the quota"},
    {"cpu-idle", '\0', "0|1", "Only what others leave over"},
    {"cpu-period", '\0', "USEC", "The period of the quota"},
    {"cpu-quota", '\0', "USEC", "Time on all processors in each period; -1: no limit"},
    {"cpu-rt-period", '\0', "USEC", "Refused: cgroup v2 has nothing like it"},
    {"cpu-rt-runtime", '\0', "USEC", "Refused: cgroup v2 has nothing like it"},
    {"cpu-share", '\0', "N", "Share of the processors, 2 to 262144"},
    {"cpuset-cpus", '\0', "LIST", "Processors that may be used"},
    {"cpuset-mems", '\0', "LIST", "Memory nodes that may be used"},
    {"kernel-memory", '\0', "BYTES", "Refused: cgroup v2 has nothing like it"},
    {"kernel-memory-tcp", '\0', "BYTES", "Refused: cgroup v2 has nothing like it"},
    {"l3-cache-schema", '\0', "WORDS", "Refused: Intel RDT is not supported"},
    {"mem-bw-schema", '\0', "WORDS", "Refused: Intel RDT is not supported"},
    {"memory", '\0', "BYTES", "Memory; -1: no limit"},
    {"memory-reservation", '\0', "BYTES", "Memory that is reclaimed last"},
    {"memory-swap", '\0', "BYTES", "Memory and swap together; -1: no limit"},
    {"pids-limit", '\0', "N", "Processes and threads; -1: no limit"},
};

enum class Kind { number, size, text };

/// An option as a member of linux.resources.
struct Member {
  const char *option, *pointer;
  Kind kind;
};
constexpr Member kMembers[] = {{"blkio-weight", "/blockIO/weight", Kind::number},
                               {"cpu-burst", "/cpu/burst", Kind::number},
                               {"cpu-idle", "/cpu/idle", Kind::number},
                               {"cpu-period", "/cpu/period", Kind::number},
                               {"cpu-quota", "/cpu/quota", Kind::number},
                               {"cpu-rt-period", "/cpu/realtimePeriod", Kind::number},
                               {"cpu-rt-runtime", "/cpu/realtimeRuntime", Kind::number},
                               {"cpu-share", "/cpu/shares", Kind::number},
                               {"cpuset-cpus", "/cpu/cpus", Kind::text},
                               {"cpuset-mems", "/cpu/mems", Kind::text},
                               {"kernel-memory", "/memory/kernel", Kind::size},
                               {"kernel-memory-tcp", "/memory/kernelTCP", Kind::size},
                               {"memory", "/memory/limit", Kind::size},
                               {"memory-reservation", "/memory/reservation", Kind::size},
                               {"memory-swap", "/memory/swap", Kind::size},
                               {"pids-limit", "/pids/limit", Kind::number}};

Json value_of(const Member& member, const std::string& word) {
  if (member.kind == Kind::text) return word;
  if (word == "-1") return -1;
  if (member.kind == Kind::size) return engine::parse_size(word);
  return parse_number(member.option, word);
}

/// What the options ask for as an object like linux.resources.
Json resources_of(const Arguments& arguments) {
  Json resources = Json::object();
  for (const Member& member : kMembers) {
    if (const auto word = arguments.last(member.option)) {
      resources[Json::json_pointer(member.pointer)] = value_of(member, *word);
    }
  }
  for (const char* option : {"l3-cache-schema", "mem-bw-schema"}) {
    if (!arguments.text(option).empty()) throw Unsupported(fmt::format("--{}: Intel RDT is not supported", option));
  }
  return resources;
}

int run_update(const Arguments& arguments, const OciContext& context) {
  const std::string& id = arguments.positional[0];
  Json resources = resources_of(arguments);
  const std::string file = arguments.text("resources");
  if (!file.empty()) {
    if (!resources.empty()) throw UsageError("--resources can't be combined with single limits");
    resources = parse_json(file == "-" ? read_to_end(STDIN_FILENO, "standard input") : read_file(file), file);
  }
  runtime::update(context.store, id, resources, file.empty() ? "update" : file);
  return 0;
}

// --- pause, resume -------------------------------------------------------------------------------

int run_pause(const Arguments& arguments, const OciContext& context) {
  runtime::pause(context.store, arguments.positional[0]);
  return 0;
}

int run_resume(const Arguments& arguments, const OciContext& context) {
  runtime::resume(context.store, arguments.positional[0]);
  return 0;
}

// --- events --------------------------------------------------------------------------------------

cgroup::Directory running_cgroup(const runtime::Record& record) {
  (void)runtime::open_process(record);
  auto directory = runtime::cgroup_of(record);
  if (directory) return std::move(*directory);
  throw Unsupported(fmt::format("container '{}' has no figures: it has no cgroup of its own", record.id));
}

void print_stats(const std::string& id, const cgroup::Directory& directory) {
  const auto text = [&](const std::string& file) { return directory.text(file); };
  print(runtime::stats_document(id, text).dump(-1, ' ', false, OrderedJson::error_handler_t::replace) +
        "\n");
}

std::uint64_t oom_kills(const cgroup::Directory& directory) {
  return cgroup::value_of(directory.text("memory.events"), "oom_kill");
}

int run_stats(const Arguments& arguments, const OciContext& context) {
  const std::string& id = arguments.positional[0];
  print_stats(id, running_cgroup(context.store.load(id)));
  return 0;
}

/// A line at every interval, and one whenever the kernel has killed for want of memory, until the container ends.
int run_events(const Arguments& arguments, const OciContext& context) {
  const int interval = runtime::parse_interval(arguments.text("interval", "5s"));
  if (arguments.flag("stats")) return run_stats(arguments, context);
  const std::string& id = arguments.positional[0];
  const runtime::Record record = context.store.load(id);
  const cgroup::Directory directory = running_cgroup(record);
  const Fd process = runtime::open_process(record);
  std::uint64_t kills = oom_kills(directory);
  for (;;) {
    pollfd item{process.get(), POLLIN, 0};
    const bool ended = ::poll(&item, 1, interval) > 0;
    if (const std::uint64_t now = oom_kills(directory); now > kills) {
      print(OrderedJson{{"type", "oom"}, {"id", id}}.dump() + "\n");
      kills = now;
    }
    if (ended) return 0;
    print_stats(id, directory);
  }
}

}  // namespace

constinit const OciCommand kOciPause = {"pause", "ID", "Stop all processes of a container for a while", {}, run_pause,
                                        1,       1};
constinit const OciCommand kOciResume = {
    "resume", "ID", "Let the processes of a paused container go on", {}, run_resume, 1, 1};
constinit const OciCommand kOciUpdate = {
    "update", "[OPTIONS] ID", "Change the limits of a container", kUpdateOptions, run_update, 1, 1};
constinit const OciCommand kOciEvents = {
    "events", "[OPTIONS] ID", "Tell what a container uses, again and again", kEventsOptions, run_events, 1, 1};
constinit const OciCommand kOciStats = {"stats", "ID", "Tell what a container uses, once", {}, run_stats, 1, 1};

}  // namespace sandbox::cli
