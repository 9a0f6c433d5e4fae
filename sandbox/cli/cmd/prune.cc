// `image prune`, `container prune`, `network prune`, `volume prune`, `builder prune`, `system prune`: what nobody uses
// goes.
#include "sandbox/engine/prune.h"

#include <stdio.h>
#include <time.h>

#include <algorithm>
#include <functional>

#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/network.h"
#include "sandbox/cli/cmd/volume.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/filters.h"
#include "sandbox/cli/image_listing.h"
#include "sandbox/container/network_store.h"
#include "sandbox/engine/build_cache.h"
#include "sandbox/engine/moments.h"
#include "sandbox/engine/units.h"
#include "sandbox/engine/volumes.h"

namespace sandbox::cli {
namespace {

constexpr Option kForce = {"force", 'f', nullptr, "Do not prompt for confirmation"};
constexpr Option kFilter = {"filter", '\0', "filter",
                            "Only what fits (until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE])"};
constexpr Option kImageOptions[] = {
    {"all", 'a', nullptr, "Remove all unused images, not just dangling ones"},
    kFilter,
    kForce,
};
constexpr Option kContainerOptions[] = {kFilter, kForce};
constexpr Option kNetworkOptions[] = {kFilter, kForce};
constexpr Option kBuilderOptions[] = {
    {"all", 'a', nullptr, "Remove the files of cache mounts, too"},
    kForce,
};
constexpr Option kSystemOptions[] = {
    {"all", 'a', nullptr, "Remove all unused images not just dangling ones"},
    kFilter,
    kForce,
    {"volumes", '\0', nullptr, "Prune anonymous volumes"},
};
constexpr Option kVolumeOptions[] = {
    {"all", 'a', nullptr, "Remove all unused volumes, not just anonymous ones"},
    kFilter,
    kForce,
};

/// What --filter leaves of the things that nobody uses.
class Filter {
 public:
  Filter(const Arguments& arguments, std::span<const std::string_view> known) : filters_(arguments, known) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    for (const std::string& text : filters_.values("until")) {
      if (!until_.empty()) throw UsageError("more than one until filter specified");
      until_.push_back(engine::parse_moment(text, now).tv_sec);
    }
  }

  /// `created`: seconds since the epoch.
  bool fits(std::int64_t created, const std::map<std::string, std::string>& labels) const {
    const bool is_old = until_.empty() || created < until_.front();
    return is_old && filters_.labels_fit(labels) && filters_.labels_differ(labels);
  }
  std::function<bool(const container::Entry&)> containers() const {
    return [this](const container::Entry& one) { return fits(one.spec.created, one.spec.labels); };
  }
  std::function<bool(const image::Image&)> images() const {
    return [this](const image::Image& one) { return fits(created_of(one), labels_of(one)); };
  }
  std::function<bool(const container::Network&)> networks() const {
    return [this](const container::Network& one) { return fits(one.created, one.labels); };
  }
  std::function<bool(const container::Volume&)> volumes() const {
    return [this](const container::Volume& one) { return fits(one.created, one.labels); };
  }
  bool is_true(std::string_view name) const {
    return filters_.has(name) && filters_.any(name, [](const auto& value) { return value == "true" || value == "1"; });
  }
  bool is_false(std::string_view name) const { return filters_.has(name) && !is_true(name); }
  bool has_until() const { return !until_.empty(); }

 private:
  Filters filters_;
  std::vector<std::int64_t> until_;
};

constexpr std::string_view kFilters[] = {"label", "label!", "until"};
constexpr std::string_view kVolumeFilters[] = {"all", "label", "label!"};
constexpr std::string_view kImageFilters[] = {"dangling", "label", "label!", "until"};

/// `what`: Docker's words for what is called off.
void confirm(const Arguments& arguments, const char* what, const std::string& warning) {
  if (arguments.flag("force")) return;
  print(fmt::format("WARNING! {}\nAre you sure you want to continue? [y/N] ", warning));
  const int first = ::getchar();
  if (first != 'y' && first != 'Y') throw Error(fmt::format("{} prune has been cancelled", what));
}

std::string images_that_go(bool all) {
  return all ? "all images without at least one container associated to them" : "all dangling images";
}

void report_containers(const engine::PrunedContainers& pruned) {
  if (pruned.ids.empty()) return;
  print("Deleted Containers:\n");
  for (const auto& id : pruned.ids) print(id + "\n");
  print("\n");
}

void report_images(const image::Pruned& pruned) {
  if (pruned.lines.empty()) return;
  print("Deleted Images:\n");
  for (const auto& line : pruned.lines) print(line + "\n");
  print("\n");
}

void report_networks(const std::vector<container::Network>& pruned) {
  if (pruned.empty()) return;
  print("Deleted Networks:\n");
  for (const auto& network : pruned) print(network.name + "\n");
  print("\n");
}

void report_volumes(const engine::PrunedVolumes& pruned) {
  if (pruned.names.empty()) return;
  print("Deleted Volumes:\n");
  for (const auto& name : pruned.names) print(name + "\n");
  print("\n");
}

int report_total(std::uint64_t bytes) {
  print(fmt::format("Total reclaimed space: {}\n", engine::human_size(bytes, 4)));
  return 0;
}

int prune_images(const Arguments& arguments) {
  const Filter filter(arguments, kImageFilters);
  const bool all = arguments.flag("all") || filter.is_false("dangling");
  confirm(arguments, "image", fmt::format("This will remove {}.", images_that_go(all)));
  const auto pruned = engine::prune_images(find_places(), all, filter.images());
  report_images(pruned);
  return report_total(pruned.bytes);
}

int prune_containers(const Arguments& arguments) {
  const Filter filter(arguments, kFilters);
  confirm(arguments, "container", "This will remove all stopped containers.");
  const auto pruned = engine::prune_containers(find_places(), filter.containers());
  report_containers(pruned);
  return report_total(pruned.bytes);
}

int prune_networks(const Arguments& arguments) {
  const Filter filter(arguments, kFilters);
  confirm(arguments, "network", "This will remove all custom networks not used by at least one container.");
  report_networks(container::NetworkStore(find_places()).prune(filter.networks()));
  return 0;
}

int prune_volumes(const Arguments& arguments) {
  const Filter filter(arguments, kVolumeFilters);
  const bool all = arguments.flag("all") || filter.is_true("all");
  confirm(
      arguments, "volume",
      fmt::format("This will remove {} local volumes not used by at least one container.", all ? "all" : "anonymous"));
  const auto pruned = engine::prune_volumes(find_places(), all, filter.volumes());
  report_volumes(pruned);
  return report_total(pruned.bytes);
}

int prune_builder(const Arguments& arguments) {
  const bool all = arguments.flag("all");
  const std::string what = all ? "all build cache" : "all steps of builds, but no cache mount";
  confirm(arguments, "builder", fmt::format("This will remove {}.", what));
  return report_total(engine::prune_build_cache(find_places(), all).bytes);
}

/// As Docker shows them before it asks.
std::string filters_that_hold(const Arguments& arguments) {
  std::vector<std::string> words = arguments.all("filter");
  if (words.empty()) return {};
  std::ranges::sort(words);
  std::string text = "\n  Items to be pruned will be filtered with:\n";
  for (const std::string& word : words) text += "  - " + word + "\n";
  return text;
}

int prune_system(const Arguments& arguments) {
  const Filter filter(arguments, kFilters);
  const bool all = arguments.flag("all"), with_volumes = arguments.flag("volumes");
  if (with_volumes && filter.has_until()) throw UsageError("the \"until\" filter is not supported with \"--volumes\"");
  const char* volumes_that_go = with_volumes ? "  - all anonymous volumes not used by at least one container\n" : "";
  confirm(arguments, "system",
          fmt::format("This will remove:\n  - all stopped containers\n"
                      "  - all networks not used by at least one container\n{}  - {}\n  - unused build cache\n{}",
                      volumes_that_go, images_that_go(all), filters_that_hold(arguments)));
  const Places places = find_places();
  const auto containers = engine::prune_containers(places, filter.containers());
  report_containers(containers);
  report_networks(container::NetworkStore(places).prune(filter.networks()));
  const auto volumes = with_volumes ? engine::prune_volumes(places, false, filter.volumes()) : engine::PrunedVolumes{};
  report_volumes(volumes);
  const auto images = engine::prune_images(places, all, filter.images());
  report_images(images);
  // Steps of builds have neither labels nor an age.
  const auto cache =
      arguments.all("filter").empty() ? engine::prune_build_cache(places, all) : engine::PrunedBuildCache{};
  return report_total(containers.bytes + volumes.bytes + images.bytes + cache.bytes);
}

}  // namespace

const Command kImagePrune{
    "image prune", "image prune [OPTIONS]", "Remove unused images", kImageOptions, prune_images, 0, 0};
const Command kContainerPrune{"container prune",
                              "container prune [OPTIONS]",
                              "Remove all stopped containers",
                              kContainerOptions,
                              prune_containers,
                              0,
                              0};
const Command kNetworkPrune{
    "network prune", "network prune [OPTIONS]", "Remove all unused networks", kNetworkOptions, prune_networks, 0, 0};
const Command kVolumePrune{
    "volume prune", "volume prune [OPTIONS]", "Remove unused local volumes", kVolumeOptions, prune_volumes, 0, 0};
const Command kBuilderPrune{
    "builder prune", "builder prune [OPTIONS]", "Remove build cache", kBuilderOptions, prune_builder, 0, 0};
const Command kSystemPrune{
    "system prune", "system prune [OPTIONS]", "Remove unused data", kSystemOptions, prune_system, 0, 0};

}  // namespace sandbox::cli
