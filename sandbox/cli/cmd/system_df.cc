// `system df`: Docker's tables of what the store holds.
#include <time.h>

#include <algorithm>
#include <set>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {{"verbose", 'v', nullptr, "Show detailed information on space usage"}};

using Rows = std::vector<std::vector<std::string>>;

std::string reclaimable_cell(std::uint64_t reclaimable, std::uint64_t total) {
  const std::string size = engine::human_size(reclaimable);
  return total == 0 ? size : fmt::format("{} ({}%)", size, reclaimable * 100 / total);
}

std::vector<std::string> row(const char* type, std::size_t total, std::size_t active, std::uint64_t size,
                             std::uint64_t reclaimable) {
  return {type, fmt::format("{}", total), fmt::format("{}", active), engine::human_size(size),
          reclaimable_cell(reclaimable, size)};
}

std::vector<std::string> images_row(const image::StoreUsage& usage) {
  std::set<std::string> total, active;
  for (const auto& one : usage.images) {
    total.insert(one.image.id());
    if (one.containers > 0) active.insert(one.image.id());
  }
  return row("Images", total.size(), active.size(), usage.total, usage.reclaimable);
}

std::vector<std::string> containers_row(const std::vector<engine::ContainerUsage>& containers) {
  std::size_t active = 0;
  std::uint64_t size = 0, reclaimable = 0;
  for (const auto& one : containers) {
    const bool running = one.container.state.status == container::Status::running;
    active += running ? 1U : 0U;
    size += one.bytes;
    if (!running) reclaimable += one.bytes;
  }
  return row("Containers", containers.size(), active, size, reclaimable);
}

std::vector<std::string> volumes_row(const std::vector<engine::VolumeUsage>& volumes) {
  std::size_t active = 0;
  std::uint64_t size = 0, reclaimable = 0;
  for (const auto& one : volumes) {
    active += one.containers > 0 ? 1U : 0U;
    size += one.bytes;
    if (one.containers == 0) reclaimable += one.bytes;
  }
  return row("Local Volumes", volumes.size(), active, size, reclaimable);
}

std::string image_created(const image::Image& image) {
  const auto created = image.config_document.find("created");
  const std::int64_t seconds = created != image.config_document.end() && created->is_string()
                                   ? engine::parse_time(created->get<std::string>())
                                   : 0;
  return seconds == 0 ? "N/A" : engine::human_duration(::time(nullptr) - seconds) + " ago";
}

Rows image_rows(const image::StoreUsage& usage) {
  Rows rows{{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"}};
  for (const auto& one : usage.images) {
    const auto [repository, tag] = name_cells(one.image.name);
    rows.push_back({repository, tag, short_id(one.image.id()), image_created(one.image),
                    engine::human_size(one.shared + one.unique), engine::human_size(one.shared),
                    engine::human_size(one.unique), fmt::format("{}", one.containers)});
  }
  return rows;
}

Rows container_rows(const std::vector<engine::ContainerUsage>& containers) {
  Rows rows{{"CONTAINER ID", "IMAGE", "COMMAND", "SIZE", "CREATED", "STATUS", "NAMES"}};
  const std::int64_t now = ::time(nullptr);
  for (const auto& [container, bytes] : containers) {
    const auto& spec = container.spec;
    rows.push_back({short_id(spec.id), spec.image, command_cell(spec.plan.process.argv, false),
                    engine::human_size(bytes), engine::human_duration(now - spec.created) + " ago",
                    status_cell(container.state, now), spec.name});
  }
  return rows;
}

Rows volume_rows(const std::vector<engine::VolumeUsage>& volumes) {
  Rows rows{{"VOLUME NAME", "LINKS", "SIZE"}};
  for (const auto& one : volumes)
    rows.push_back({one.name, fmt::format("{}", one.containers), engine::human_size(one.bytes)});
  return rows;
}

int run(const Arguments& arguments) {
  const engine::DiskUsage usage = engine::disk_usage(find_places());
  if (!arguments.flag("verbose")) {
    print(render_table({{"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"},
                        images_row(usage.images),
                        containers_row(usage.containers),
                        volumes_row(usage.volumes),
                        row("Build Cache", 0, 0, 0, 0)}));
    return 0;
  }
  print("Images space usage:\n\n" + render_table(image_rows(usage.images)) + "\nContainers space usage:\n\n" +
        render_table(container_rows(usage.containers)) + "\nLocal Volumes space usage:\n\n" +
        render_table(volume_rows(usage.volumes)));
  return 0;
}

}  // namespace

const Command kSystemDf{"system df", "system df [OPTIONS]", "Show disk usage", kOptions, run, 0, 0};

}  // namespace sandbox::cli
