// `volume create`, `ls` and `rm`. `volume inspect` is in inspect.cc, `volume prune` in prune.cc.
#include <time.h>

#include <algorithm>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/cli/cmd/volume.h"
#include "sandbox/cli/container_listing.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/container/volume_store.h"

namespace sandbox::cli {
namespace {

constexpr Option kCreateOptions[] = {
    {"driver", 'd', "string", "Specify volume driver name (default \"local\")"},
    {"label", '\0', "list", "Set metadata for a volume"},
    {"opt", 'o', "map", "Set driver specific options"},
};
constexpr Option kLsOptions[] = {
    {"filter", 'f', "filter", "Provide filter values (e.g. \"dangling=true\")"},
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
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
  for (const std::string& label : arguments.all("label")) set_label(wanted.labels, label);
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

std::string label_of(const container::Volume& volume, const std::string& name) {
  const auto found = volume.labels.find(name);
  return found == volume.labels.end() ? "" : found->second;
}

/// Docker knows it of volumes of a cluster, or when it is asked for disk usage.
std::string not_told(const container::Volume&) { return "N/A"; }

constexpr Column<container::Volume> kColumns[] = {
    {"Driver", "DRIVER", [](const container::Volume&) { return std::string("local"); }},
    {"Name", "VOLUME NAME", [](const container::Volume& volume) { return volume.name; }},
    {"Scope", "SCOPE", [](const container::Volume&) { return std::string("local"); }},
    {"Mountpoint", "MOUNTPOINT", [](const container::Volume& volume) { return volume.data(); }},
    {"Labels", "LABELS", [](const container::Volume& volume) { return labels_cell(volume.labels); }},
    {"Links", "LINKS", not_told},
    {"Size", "SIZE", not_told},
    {"Availability", "AVAILABILITY", not_told},
    {"Group", "GROUP", not_told},
    {"Status", "STATUS", not_told},
};
constexpr Listing<container::Volume> kListing{"*formatter.volumeContext", kColumns, label_of};

int list(const Arguments& arguments) {
  const Places places = find_places();
  const container::VolumeStore store(places);
  const auto containers = container::ContainerStore(places).list();
  const auto filters = arguments.all("filter");
  for (const std::string& filter : filters) (void)matches(store, containers, {}, filter);  // refuses what is none
  std::vector<container::Volume> volumes = store.list();
  std::erase_if(volumes, [&](const container::Volume& volume) {
    return !std::ranges::all_of(filters, [&](const auto& filter) { return matches(store, containers, volume, filter); });
  });
  const bool quiet = arguments.flag("quiet");
  const std::string format = arguments.last("format") ? arguments.text("format") : quiet ? "{{.Name}}" : docker_config("volumesFormat");
  print(render_listing(kListing, chosen_format({format, false, "{{.Driver}}\t{{.Name}}", "name: {{.Name}}\ndriver: {{.Driver}}\n"}),
                       volumes));
  return 0;
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
const Command kVolumeRm{
    "volume rm", "volume rm [OPTIONS] VOLUME [VOLUME...]", "Remove one or more volumes", kRmOptions, remove_all, 1};

}  // namespace sandbox::cli
