// `ps`: containers, newest first.
#include <time.h>

#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/container_filters.h"
#include "sandbox/cli/container_listing.h"
#include "sandbox/cli/docker_config.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"all", 'a', nullptr, "Show all containers (default shows just running)"},
    {"filter", 'f', "filter", "Filter output based on conditions provided"},
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"last", 'n', "int", "Show n last created containers (includes all states) (default -1)"},
    {"latest", 'l', nullptr, "Show the latest created container (includes all states)"},
    {"no-trunc", '\0', nullptr, "Don't truncate output"},
    {"quiet", 'q', nullptr, "Only display container IDs"},
    {"size", 's', nullptr, "Display total file sizes"},
};

constexpr std::string_view kTable =
    "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
constexpr std::string_view kRaw =
    "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad "
    ".State 1 "
    "0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 "
    "0}}\n";

/// How many of the newest are asked for; -1: all that run.
int newest(const Arguments& arguments) {
  const std::string text = arguments.text("last", arguments.flag("latest") ? "1" : "-1");
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw FlagError(
        fmt::format("invalid argument \"{0}\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"{0}\": "
                    "invalid syntax",
                    text));
  }
  return count > 0 ? count : -1;
}

std::string format_of(const Arguments& arguments) {
  const bool quiet = arguments.flag("quiet"), size = arguments.flag("size");
  const std::string format = quiet                      ? ""
                             : arguments.last("format") ? arguments.text("format")
                                                        : docker_config("psFormat");
  const std::string table = std::string(kTable) + (size ? "\t{{.Size}}" : "");
  const std::string raw = std::string(kRaw) + (size ? "size: {{.Size}}\n" : "");
  return chosen_format({format, quiet, table, raw});
}

/// As Docker: the word "json" shows "0B", since every file of every container would be looked at; a template that
/// comes to all fields counts, unless --size=false.
bool counts_sizes(const Arguments& arguments, const std::string& format) {
  return arguments.last("size") ? arguments.flag("size") : format != "json";
}

std::vector<container::Entry> selected(const Places& places, const Arguments& arguments) {
  const Filters filters(arguments, kContainerFilters);
  auto containers = filtered(filters, places);
  const int count = newest(arguments);
  if (!arguments.flag("all") && count < 0 && !asks_for_all(filters)) {
    std::erase_if(containers, [](const auto& one) { return !container::is_up(one.state); });
  }
  if (count > 0 && containers.size() > static_cast<std::size_t>(count))
    containers.resize(static_cast<std::size_t>(count));
  return containers;
}

int run(const Arguments& arguments) {
  const Places places = find_places();
  const auto containers = selected(places, arguments);
  const std::string format = format_of(arguments);
  const bool uncounted = !counts_sizes(arguments, format), whole = arguments.flag("no-trunc");
  std::vector<ContainerRow> rows;
  for (const auto& one : containers) rows.push_back({&one, &places, ::time(nullptr), whole, false, uncounted});
  print(render_listing(kContainerListing, format, rows));
  return 0;
}

}  // namespace

const Command kPs{"ps", "ps [OPTIONS]", "List containers", kOptions, run, 0, 0};

}  // namespace sandbox::cli
