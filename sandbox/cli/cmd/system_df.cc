// `system df`: Docker's tables of what the store holds.
#include <time.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/container_listing.h"
#include "sandbox/cli/image_listing.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/build_cache.h"
#include "sandbox/engine/disk_usage.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/step_records.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"verbose", 'v', nullptr, "Show detailed information on space usage"},
};

/// One kind of things in the store.
struct Row {
  std::string type;
  std::size_t total = 0, active = 0;
  std::uint64_t size = 0, reclaimable = 0;
};

constexpr std::string_view kBuildCache = "Build Cache";
constexpr int kDigits = 4;  // of sums and of volumes, as with Docker

std::string reclaimable_cell(const Row& row) {
  const std::string size = engine::human_size(row.reclaimable, kDigits);
  const bool has_part = row.size != 0 && row.type != kBuildCache;
  return has_part ? fmt::format("{} ({}%)", size, row.reclaimable * 100 / row.size) : size;
}

constexpr Column<Row> kColumns[] = {
    {"Type", "TYPE", [](const Row& row) { return row.type; }},
    {"TotalCount", "TOTAL", [](const Row& row) { return fmt::format("{}", row.total); }},
    {"Active", "ACTIVE", [](const Row& row) { return fmt::format("{}", row.active); }},
    {"Size", "SIZE", [](const Row& row) { return engine::human_size(row.size, kDigits); }},
    {"Reclaimable", "RECLAIMABLE", reclaimable_cell},
};
constexpr Listing<Row> kListing{"*formatter.diskUsageContext", kColumns};
constexpr std::string_view kTable = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

constexpr Column<engine::VolumeUsage> kVolumeColumns[] = {
    {"Name", "VOLUME NAME", [](const engine::VolumeUsage& one) { return one.name; }},
    {"Links", "LINKS", [](const engine::VolumeUsage& one) { return fmt::format("{}", one.containers); }},
    {"Size", "SIZE", [](const engine::VolumeUsage& one) { return engine::human_size(one.bytes, kDigits); }},
};
constexpr Listing<engine::VolumeUsage> kVolumeListing{"*formatter.volumeContext", kVolumeColumns};

/// What a step came to, or a cache mount.
struct CacheRow {
  std::string id;
  std::string_view type;  ///< BuildKit's word.
  std::uint64_t bytes = 0;
  std::int64_t created = 0, used = 0;  ///< Seconds since the epoch; 0: never.
  std::size_t uses = 0;
  bool shared = false;
  std::int64_t now = 0;
};

std::string since(std::int64_t then, std::int64_t now) {
  return then == 0 ? "" : engine::human_duration(now - then) + " ago";
}

constexpr Column<CacheRow> kCacheColumns[] = {
    {"ID", "CACHE ID", [](const CacheRow& one) { return short_id(one.id); }},
    {"CacheType", "CACHE TYPE", [](const CacheRow& one) { return std::string(one.type); }},
    {"Size", "SIZE", [](const CacheRow& one) { return engine::human_size(one.bytes); }},
    {"CreatedSince", "CREATED", [](const CacheRow& one) { return since(one.created, one.now); }},
    {"LastUsedSince", "LAST USED", [](const CacheRow& one) { return since(one.used, one.now); }},
    {"UsageCount", "USAGE", [](const CacheRow& one) { return fmt::format("{}", one.uses); }},
    {"Shared", "SHARED", [](const CacheRow& one) { return std::string(one.shared ? "true" : "false"); }},
};
constexpr Listing<CacheRow> kCacheListing{"*formatter.buildCacheContext", kCacheColumns};

/// As Docker: what was used last comes last.
std::string cache_table(const Places& places, const std::vector<engine::CacheMount>& mounts) {
  const std::int64_t now = ::time(nullptr);
  std::vector<CacheRow> rows;
  for (const auto& [record, bytes, shared] : image::step_usage(places)) {
    rows.push_back({record.key, "regular", bytes, engine::parse_time(record.created), record.used, record.uses, shared,
                    now});
  }
  for (const engine::CacheMount& one : mounts)
    rows.push_back({one.id, "exec.cachemount", one.bytes, one.created, one.used, one.uses, false, now});
  std::ranges::sort(rows, {}, [](const CacheRow& row) { return std::tie(row.used, row.id); });
  return render_listing(kCacheListing, "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t"
                        "{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}", rows);
}

Row images_row(const image::StoreUsage& usage) {
  std::set<std::string> total, active;
  for (const auto& one : usage.images) {
    total.insert(one.image.id());
    if (one.containers > 0) active.insert(one.image.id());
  }
  return {"Images", total.size(), active.size(), usage.total, usage.reclaimable};
}

Row containers_row(const std::vector<engine::ContainerUsage>& containers) {
  std::size_t active = 0;
  std::uint64_t size = 0, reclaimable = 0;
  for (const auto& one : containers) {
    const bool running = container::is_up(one.container.state);
    active += running ? 1U : 0U;
    size += one.bytes;
    if (!running) reclaimable += one.bytes;
  }
  return {"Containers", containers.size(), active, size, reclaimable};
}

Row volumes_row(const std::vector<engine::VolumeUsage>& volumes) {
  std::size_t active = 0;
  std::uint64_t size = 0, reclaimable = 0;
  for (const auto& one : volumes) {
    active += one.containers > 0 ? 1U : 0U;
    size += one.bytes;
    if (one.containers == 0) reclaimable += one.bytes;
  }
  return {"Local Volumes", volumes.size(), active, size, reclaimable};
}

Row build_cache_row(const image::StoreUsage& usage, const std::vector<engine::CacheMount>& mounts) {
  std::uint64_t size = usage.cached;
  for (const engine::CacheMount& one : mounts) size += one.bytes;
  return {std::string(kBuildCache), usage.steps + mounts.size(), 0, size, size};
}

std::string image_table(const image::StoreUsage& usage) {
  std::vector<ImageRow> rows;
  for (const auto& one : usage.images) rows.push_back({&one.image, ::time(nullptr), false, false, one.bytes, &one});
  return render_listing(kImageListing, "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t"
                        "{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}", rows);
}

std::string container_table(const Places& places, const std::vector<engine::ContainerUsage>& containers) {
  std::vector<container::Entry> entries;
  for (const auto& [one, bytes] : containers) entries.push_back({one.spec, one.state, one.directory});
  std::vector<ContainerRow> rows;
  for (const auto& one : entries) rows.push_back({&one, &places, ::time(nullptr), false, true});
  return render_listing(kContainerListing, "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t"
                        "{{.RunningFor}}\t{{.Status}}\t{{.Names}}", rows);
}

int run(const Arguments& arguments) {
  const Places places = find_places();
  const std::string format = arguments.text("format");
  const bool verbose = arguments.flag("verbose");
  if (verbose && !format.empty()) throw UsageError("--verbose has tables of its own: it can't be used with --format");
  const engine::DiskUsage usage = engine::disk_usage(places);
  const std::vector<engine::CacheMount> mounts = engine::cache_mounts(places);
  const Row cache = build_cache_row(usage.images, mounts);
  if (!verbose) {
    print(render_listing(kListing, chosen_format({format, false, kTable}),
                         {images_row(usage.images), containers_row(usage.containers), volumes_row(usage.volumes),
                          cache}));
    return 0;
  }
  print("Images space usage:\n\n" + image_table(usage.images) + "\nContainers space usage:\n\n" +
        container_table(places, usage.containers) + "\nLocal Volumes space usage:\n\n" +
        render_listing(kVolumeListing, "table {{.Name}}\t{{.Links}}\t{{.Size}}", usage.volumes) +
        fmt::format("\nBuild cache usage: {}\n\n", engine::human_size(cache.size, kDigits)) + cache_table(places, mounts));
  return 0;
}

}  // namespace

const Command kSystemDf{"system df", "system df [OPTIONS]", "Show disk usage", kOptions, run, 0, 0};

}  // namespace sandbox::cli
