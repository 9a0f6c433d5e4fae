// `image prune`, `container prune`, `system prune`: what nobody uses goes.
#include "sandbox/engine/prune.h"

#include <stdio.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr Option kForce = {"force", 'f', nullptr, "Do not prompt for confirmation"};
constexpr Option kImageOptions[] = {
    {"all", 'a', nullptr, "Remove all unused images, not just dangling ones"},
    kForce,
};
constexpr Option kContainerOptions[] = {kForce};
constexpr Option kSystemOptions[] = {
    {"all", 'a', nullptr, "Remove all unused images not just dangling ones"},
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

int prune_system(const Arguments& arguments) {
  const bool all = arguments.flag("all");
  if (!confirmed(arguments,
                 fmt::format("This will remove:\n  - all stopped containers\n  - {}\n", images_that_go(all)))) {
    return report_total(0);
  }
  const Places places = find_places();
  const auto containers = engine::prune_containers(places);
  report_containers(containers);
  const auto images = engine::prune_images(places, all);
  report_images(images);
  return report_total(containers.bytes + images.bytes);
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
const Command kSystemPrune{
    "system prune", "system prune [OPTIONS]", "Remove unused data", kSystemOptions, prune_system, 0, 0};

}  // namespace sandbox::cli
