// See container_listing.h. Fields are those of docker/cli cli/command/formatter/container.go.
#include "sandbox/cli/container_listing.h"

#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/shown_network.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/ports.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

const container::SpecHead& spec_of(const ContainerRow& row) { return row.container->spec; }

std::string image_cell(const ContainerRow& row) {
  const std::string& name = spec_of(row).image;
  if (name.empty()) return "<no image>";
  if (row.whole) return name;
  if (short_id(name) == short_id(spec_of(row).image_id)) return short_id(name);
  return name.substr(0, name.find('@'));
}

std::string mounts_cell(const ContainerRow& row) {
  std::string text;
  for (const container::MountPoint& point : spec_of(row).mounts) {
    const std::string& name = point.name.empty() ? point.source : point.name;
    text += (text.empty() ? "" : ",") + (row.whole ? name : ellipsis(name, 15));
  }
  return text;
}

std::string volumes_cell(const ContainerRow& row) {
  std::size_t volumes = 0;
  for (const container::MountPoint& point : spec_of(row).mounts) volumes += point.name.empty() ? 0U : 1U;
  return fmt::format("{}", volumes);
}

/// 0 of one that has been removed meanwhile.
std::uint64_t own_bytes(const ContainerRow& row) {
  if (row.places == nullptr) return 0;
  try {
    const auto container = container::ContainerStore(*row.places).read(spec_of(row).id);
    return container ? engine::writable_bytes(*row.places, *container) : 0;
  } catch (const Error&) {
    return 0;
  }
}

std::string size_cell(const ContainerRow& row) {
  if (row.uncounted) return engine::human_size(0);
  const std::uint64_t own = own_bytes(row);
  const std::string text = engine::human_size(own);
  if (row.without_image || spec_of(row).image_id.empty()) return text;
  try {
    std::uint64_t whole = own;
    for (const auto& layer : image::ImageStore(*row.places).find(spec_of(row).image_id).layers) whole += layer.size;
    return fmt::format("{} (virtual {})", text, engine::human_size(whole));
  } catch (const Error&) {
    return text;  // its image has been removed
  }
}

constexpr Column<ContainerRow> kColumns[] = {
    {"ID", "CONTAINER ID",
     [](const ContainerRow& row) { return row.whole ? spec_of(row).id : short_id(spec_of(row).id); }},
    {"Image", "IMAGE", image_cell},
    {"Command", "COMMAND",
     [](const ContainerRow& row) { return command_cell(spec_of(row).command, row.whole); }},
    {"CreatedAt", "CREATED AT", [](const ContainerRow& row) { return local_time(spec_of(row).created); }},
    {"RunningFor", "CREATED",
     [](const ContainerRow& row) { return engine::human_duration(row.now - spec_of(row).created) + " ago"; }},
    {"State", "STATE", [](const ContainerRow& row) { return std::string(state_word(row.container->state)); }},
    {"Status", "STATUS", [](const ContainerRow& row) { return status_cell(row.container->state, row.now); }},
    {"HealthStatus", "HEALTH STATUS",
     [](const ContainerRow& row) { return health_word(status_cell(row.container->state, row.now)); }},
    {"Ports", "PORTS",
     [](const ContainerRow& row) { return ports_cell(engine::shown_ports(spec_of(row), row.container->state)); }},
    {"Names", "NAMES", [](const ContainerRow& row) { return spec_of(row).name; }},
    {"Size", "SIZE", size_cell},
    {"Labels", "LABELS", [](const ContainerRow& row) { return labels_cell(spec_of(row).labels); }},
    {"Mounts", "MOUNTS", mounts_cell},
    {"LocalVolumes", "LOCAL VOLUMES", volumes_cell},
    {"Networks", "NETWORKS",
     [](const ContainerRow& row) { return fmt::format("{}", fmt::join(network_names(spec_of(row)), ",")); }},
};

std::string label_of(const ContainerRow& row, const std::string& name) {
  const auto found = spec_of(row).labels.find(name);
  return found == spec_of(row).labels.end() ? std::string() : found->second;
}

}  // namespace

constinit const Listing<ContainerRow> kContainerListing{"*formatter.ContainerContext", kColumns, label_of};

std::string_view state_word(const container::State& state) {
  static constexpr std::string_view words[] = {"created", "running", "exited", "restarting"};
  return state.paused && state.status == container::Status::running ? "paused"
                                                                    : words[static_cast<std::size_t>(state.status)];
}

std::string health_word(const std::string& status) {
  for (const std::string_view word : {"(healthy)", "(unhealthy)", "(health: starting)"}) {
    if (!status.ends_with(word)) continue;
    const std::size_t begin = word.find_last_of("( ") + 1;
    return std::string(word.substr(begin, word.size() - begin - 1));
  }
  return {};
}

std::string local_time(std::int64_t seconds) {
  const time_t when = seconds;
  tm parts{};
  ::localtime_r(&when, &parts);
  char text[64];
  return std::string(text, ::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &parts));
}

std::string labels_cell(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [name, value] : labels) text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  return text;
}

}  // namespace sandbox::cli
