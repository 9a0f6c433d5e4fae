// `image prune`, `container prune`, `builder prune`, `system prune`: what nobody uses goes.
#include "sandbox/engine/prune.h"

#include <stdio.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/volume.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/build_cache.h"
#include "sandbox/engine/units.h"
#include "sandbox/engine/volumes.h"

namespace sandbox::cli {
namespace {

constexpr Option kForce = {"force", 'f', nullptr, "Do not prompt for confirmation"};
constexpr Option kImageOptions[] = {
    {"all", 'a', nullptr, "Remove all unused images, not just dangling ones"},
    kForce,
};
constexpr Option kContainerOptions[] = {kForce};
constexpr Option kBuilderOptions[] = {
    {"all", 'a', nullptr, "Remove the files of cache mounts, too"},
    kForce,
};
constexpr Option kSystemOptions[] = {
    {"all", 'a', nullptr, "Remove all unused images not just dangling ones"},
    kForce,
    {"volumes", '\0', nullptr, "Prune anonymous volumes"},
};
constexpr Option kVolumeOptions[] = {
    {"all", 'a', nullptr, "Remove all unused volumes, not just anonymous ones"},
    kForce,
};

bool confirmed(const Arguments& arguments, const std::string& warning) {
  if (arguments.flag("force")) return true;
  print(fmt::format("WARNING! {}\nAre you sure you want to continue? [y/N] ", warning));
  const int first = ::getchar();
  return first == 'y' || first == 'Y';
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

void report_volumes(const engine::PrunedVolumes& pruned) {
  if (pruned.names.empty()) return;
  print("Deleted Volumes:\n");
  for (const auto& name : pruned.names) print(name + "\n");
  print("\n");
}

int report_total(std::uint64_t bytes) {
  print(fmt::format("Total reclaimed space: {}\n", engine::human_size(bytes)));
  return 0;
}

int prune_images(const Arguments& arguments) {
  const bool all = arguments.flag("all");
  if (!confirmed(arguments, fmt::format("This will remove {}.", images_that_go(all)))) return report_total(0);
  const auto pruned = engine::prune_images(find_places(), all);
  report_images(pruned);
  return report_total(pruned.bytes);
}

int prune_containers(const Arguments& arguments) {
  if (!confirmed(arguments, "This will remove all stopped containers.")) return report_total(0);
  const auto pruned = engine::prune_containers(find_places());
  report_containers(pruned);
  return report_total(pruned.bytes);
}

int prune_volumes(const Arguments& arguments) {
  const bool all = arguments.flag("all");
  const char* which = all ? "all" : "anonymous";
  if (!confirmed(arguments, fmt::format("This will remove {} local volumes not used by at least one container.", which)))
    return report_total(0);
  const auto pruned = engine::prune_volumes(find_places(), all);
  report_volumes(pruned);
  return report_total(pruned.bytes);
}

int prune_builder(const Arguments& arguments) {
  const bool all = arguments.flag("all");
  const std::string what = all ? "all build cache" : "all steps of builds, but no cache mount";
  if (!confirmed(arguments, fmt::format("This will remove {}.", what))) return report_total(0);
  return report_total(engine::prune_build_cache(find_places(), all).bytes);
}

int prune_system(const Arguments& arguments) {
  const bool all = arguments.flag("all"), with_volumes = arguments.flag("volumes");
  const char* volumes_that_go = with_volumes ? "  - all anonymous volumes not used by at least one container\n" : "";
  if (!confirmed(arguments, fmt::format("This will remove:\n  - all stopped containers\n{}  - {}\n  - unused build cache\n",
                                        volumes_that_go, images_that_go(all)))) {
    return report_total(0);
  }
  const Places places = find_places();
  const auto containers = engine::prune_containers(places);
  report_containers(containers);
  const auto volumes = with_volumes ? engine::prune_volumes(places, false) : engine::PrunedVolumes{};
  report_volumes(volumes);
  const auto images = engine::prune_images(places, all);
  report_images(images);
  const auto cache = engine::prune_build_cache(places, all);
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
const Command kVolumePrune{
    "volume prune", "volume prune [OPTIONS]", "Remove unused local volumes", kVolumeOptions, prune_volumes, 0, 0};
const Command kBuilderPrune{
    "builder prune", "builder prune [OPTIONS]", "Remove build cache", kBuilderOptions, prune_builder, 0, 0};
const Command kSystemPrune{
    "system prune", "system prune [OPTIONS]", "Remove unused data", kSystemOptions, prune_system, 0, 0};

}  // namespace sandbox::cli
