// `volume create`, `ls`, `inspect` and `rm`. `volume prune` is in prune.cc.
#include <time.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/cmd/volume.h"
#include "sandbox/cli/table.h"
#include "sandbox/container/volume_store.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr Option kCreateOptions[] = {
    {"driver", 'd', "string", "Specify volume driver name (default \"local\")"},
    {"label", '\0', "list", "Set metadata for a volume"},
    {"opt", 'o', "map", "Set driver specific options"},
};
constexpr Option kLsOptions[] = {
    {"filter", 'f', "filter", "Provide filter values (e.g. \"dangling=true\")"},
    {"quiet", 'q', nullptr, "Only display volume names"},
};
constexpr Option kRmOptions[] = {{"force", 'f', nullptr, "Force the removal of one or more volumes"}};

int create(const Arguments& arguments) {
  const std::string driver = arguments.text("driver", "local");
  if (driver != "local") {
    throw Unsupported(fmt::format("error looking up volume plugin {0}: plugin \"{0}\" not found", driver));
  }
  if (const auto option = arguments.last("opt")) {
    throw Unsupported(fmt::format("volume option '{}' is not possible without root, because only the kernel's "
                                  "administrator mounts devices",
                                  *option),
                      "a directory of the host is mounted with -v /path:/target, a tmpfs with --tmpfs");
  }
  container::Volume wanted;
  wanted.anonymous = arguments.positional.empty();
  wanted.name = wanted.anonymous ? random_hex(64) : arguments.positional[0];
  if (!is_valid_name(wanted.name)) {
    throw UsageError(
        fmt::format("create {0}: \"{0}\" includes invalid characters for a local volume name, only "
                    "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed",
                    wanted.name));
  }
  for (const std::string& label : arguments.all("label")) {
    const auto equals = label.find('=');
    wanted.labels[label.substr(0, equals)] = equals == std::string::npos ? "" : label.substr(equals + 1);
  }
  wanted.created = ::time(nullptr);
  const Places places = find_places();
  make_places(places);
  print(container::VolumeStore(places).hold().ensure(wanted).name + "\n");
  return 0;
}

/// What `volume ls --filter` asks for.
bool matches(const container::VolumeStore& store, const std::vector<container::Container>& containers,
             const container::Volume& volume, const std::string& filter) {
  const auto equals = filter.find('=');
  const std::string key = filter.substr(0, equals),
                    value = equals == std::string::npos ? "" : filter.substr(equals + 1);
  if (key == "name") return volume.name.find(value) != std::string::npos;
  if (key == "driver") return value == "local";
  if (key == "dangling") {
    if (value != "true" && value != "1" && value != "false" && value != "0") {
      throw UsageError(fmt::format("invalid filter 'dangling={}'", value));
    }
    return store.users_of(containers, volume.name).empty() == (value == "true" || value == "1");
  }
  if (key == "label") {
    const auto separator = value.find('=');
    const auto label = volume.labels.find(value.substr(0, separator));
    return label != volume.labels.end() &&
           (separator == std::string::npos || label->second == value.substr(separator + 1));
  }
  throw UsageError(fmt::format("invalid filter '{}'", key));
}

int list(const Arguments& arguments) {
  const Places places = find_places();
  const container::VolumeStore store(places);
  const auto containers = container::ContainerStore(places).list();
  const auto filters = arguments.all("filter");
  for (const std::string& filter : filters) (void)matches(store, containers, {}, filter);  // refuses what is none
  std::vector<std::vector<std::string>> rows{{"DRIVER", "VOLUME NAME"}};
  for (const container::Volume& volume : store.list()) {
    const auto holds = [&](const std::string& filter) { return matches(store, containers, volume, filter); };
    if (std::ranges::all_of(filters, holds)) rows.push_back({"local", volume.name});
  }
  if (!arguments.flag("quiet")) {
    print(render_table(rows));
    return 0;
  }
  for (std::size_t i = 1; i < rows.size(); ++i) print(rows[i][1] + "\n");
  return 0;
}

int inspect(const Arguments& arguments) {
  const container::VolumeStore store(find_places());
  Json found = Json::array();
  int status = 0;
  for (const std::string& name : arguments.positional) {
    try {
      const container::Volume volume = store.find(name);
      found.push_back({{"CreatedAt", engine::format_time(volume.created)},
                       {"Driver", "local"},
                       {"Labels", volume.labels.empty() ? Json(nullptr) : Json(volume.labels)},
                       {"Mountpoint", volume.data()},
                       {"Name", volume.name},
                       {"Options", nullptr},
                       {"Scope", "local"}});
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  print(json_for_terminals(found) + "\n");
  return status;
}

void remove(const std::string& name, const Arguments& arguments) {
  const container::VolumeStore store(find_places());
  try {
    const container::Volume volume = store.find(name);
    store.hold().remove(volume);
  } catch (const NotFound&) {
    if (!arguments.flag("force")) throw;
  }
}

int remove_all(const Arguments& arguments) { return for_each_argument(arguments, remove); }

}  // namespace

const Command kVolumeCreate{
    "volume create", "volume create [OPTIONS] [VOLUME]", "Create a volume", kCreateOptions, create, 0, 1};
const Command kVolumeLs{"volume ls", "volume ls [OPTIONS]", "List volumes", kLsOptions, list, 0, 0};
const Command kVolumeInspect{"volume inspect",
                             "volume inspect VOLUME [VOLUME...]",
                             "Display detailed information on one or more volumes",
                             {},
                             inspect,
                             1};
const Command kVolumeRm{
    "volume rm", "volume rm [OPTIONS] VOLUME [VOLUME...]", "Remove one or more volumes", kRmOptions, remove_all, 1};

}  // namespace sandbox::cli
