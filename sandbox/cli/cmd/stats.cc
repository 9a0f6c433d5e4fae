// `stats`: what containers use, again and again, or once.
#include <time.h>
#include <unistd.h>

#include <map>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/cli/table.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/statistics.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"all", 'a', nullptr, "Show all containers (default shows just running)"},
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"no-stream", '\0', nullptr, "Disable streaming stats and only pull the first result"},
    {"no-trunc", '\0', nullptr, "Do not truncate output"},
};

constexpr std::string_view kTable =
    "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
constexpr timespec kInterval{1, 0};
// Home, and after what is written the rest of the screen goes (console_codes(4)).
constexpr std::string_view kHome = "\033[H", kRestOfLine = "\033[K\n", kRestOfScreen = "\033[J";

struct Row {
  std::string id, name;
  bool whole = false;
  double cpu = 0;
  engine::Usage usage;
};

std::string pair_of(std::uint64_t one, std::uint64_t other) {
  return fmt::format("{} / {}", engine::human_size(one), engine::human_size(other));
}

std::string memory_percent(const Row& row) {
  const auto part = static_cast<double>(row.usage.memory), whole = static_cast<double>(row.usage.memory_limit);
  return fmt::format("{:.2f}%", whole > 0 ? part / whole * 100 : 0);
}

std::string memory_usage(const Row& row) {
  return fmt::format("{} / {}", engine::binary_size(row.usage.memory), engine::binary_size(row.usage.memory_limit));
}

constexpr Column<Row> kColumns[] = {
    {"Container", "CONTAINER", [](const Row& row) { return row.whole ? row.id : short_id(row.id); }},
    {"ID", "CONTAINER ID", [](const Row& row) { return row.whole ? row.id : short_id(row.id); }},
    {"Name", "NAME", [](const Row& row) { return row.name; }},
    {"CPUPerc", "CPU %", [](const Row& row) { return fmt::format("{:.2f}%", row.cpu); }},
    {"MemUsage", "MEM USAGE / LIMIT", memory_usage},
    {"MemPerc", "MEM %", memory_percent},
    {"NetIO", "NET I/O", [](const Row& row) { return pair_of(row.usage.received, row.usage.sent); }},
    {"BlockIO", "BLOCK I/O", [](const Row& row) { return pair_of(row.usage.read, row.usage.written); }},
    {"PIDs", "PIDS", [](const Row& row) { return fmt::format("{}", row.usage.processes); }},
};
constexpr Listing<Row> kListing{"*formatter.statsContext", kColumns};

using Looks = std::map<std::string, engine::Usage>;

std::vector<container::Container> chosen(const Arguments& arguments) {
  const container::ContainerStore store(find_places());
  std::vector<container::Container> containers;
  if (arguments.positional.empty()) {
    containers = store.list();
    std::erase_if(containers, [&](const container::Container& one) {
      return one.spec.owner.pid != 0 || (!arguments.flag("all") && !container::is_up(one.state));
    });
  }
  for (const auto& name : arguments.positional) containers.push_back(store.find(name));
  return containers;
}

/// What is used now, and by `before` how much of the processors since then.
std::vector<Row> look(const Arguments& arguments, Looks& before) {
  std::vector<Row> rows;
  Looks now;
  for (const auto& one : chosen(arguments)) {
    const engine::Usage usage = engine::usage_of(one);
    const auto last = before.find(one.spec.id);
    const double cpu = last == before.end() ? 0 : engine::cpu_percent(last->second, usage);
    rows.push_back({one.spec.id, one.spec.name, arguments.flag("no-trunc"), cpu, usage});
    now[one.spec.id] = usage;
  }
  before = std::move(now);
  return rows;
}

/// The same on a screen that shows what was there before.
std::string over_screen(const std::string& text) {
  std::string screen(kHome);
  for (const char c : text) {
    if (c == '\n') screen += kRestOfLine;
    else screen += c;
  }
  return screen + std::string(kRestOfScreen);
}

int run(const Arguments& arguments) {
  const std::string given = arguments.last("format") ? arguments.text("format") : docker_config("statsFormat");
  const std::string format = chosen_format({given, false, kTable});
  (void)render_listing(kListing, format, std::vector<Row>(1));  // a wrong template is told before anything is waited for
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  Looks looks;
  (void)look(arguments, looks);
  for (;;) {
    ::nanosleep(&kInterval, nullptr);
    const std::string text = render_listing(kListing, format, look(arguments, looks));
    print(terminal && !arguments.flag("no-stream") ? over_screen(text) : text);
    if (arguments.flag("no-stream")) return 0;
  }
}

}  // namespace

const Command kStats{"stats", "stats [OPTIONS] [CONTAINER...]",
                     "Display a live stream of container(s) resource usage statistics", kOptions, run, 0};

}  // namespace sandbox::cli
