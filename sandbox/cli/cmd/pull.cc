// `pull`: an image from a registry.
#include <optional>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/transfer_progress.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/image/place.h"
#include "sandbox/image/registry.h"
#include "sandbox/image/unpacking.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"all-tags", 'a', nullptr, "Download all tagged images in the repository"},
    {"platform", '\0', "string", "Set platform if the registry's image has several"},
    {"quiet", 'q', nullptr, "Suppress verbose output"},
};

/// Where no registry is asked, there is nothing to choose.
void refuse_choices(const Arguments& arguments) {
  for (const char* option : {"all-tags", "platform"}) {
    if (arguments.last(option)) throw UsageError(fmt::format("--{} is for registries only", option));
  }
}

int run(const Arguments& arguments) {
  const Places places = find_places();
  make_places(places);
  image::ImageStore store(places);
  std::string text = arguments.positional[0];
  const auto progress = transfer_progress(arguments.flag("quiet"));
  std::optional<engine::FoundRange> range;  // of several images, found once
  const auto unpack = [&](const image::Image& image, const image::Unpacking::Arriving& arriving) {
    if (!range) range = engine::find_id_range(places);
    return std::make_unique<image::Unpacking>(store, places, image, range->kept ? &*range->kept : nullptr, arriving);
  };
  const image::PullOptions options{arguments.text("platform"), progress.get(), unpack};
  if (const auto place = image::parse_place(text)) {
    text = place->name;
    if (place->kind != image::Place::Kind::registry) {
      refuse_choices(arguments);
      for (const std::string& name : image::load_from(store, *place)) print(name + "\n");
      return 0;
    }
  }
  const bool all = arguments.flag("all-tags");
  if (all && (image::has_tag(text) || !image::parse_reference(text).digest.empty()))
    throw UsageError("tag can't be used with --all-tags/-a");
  const std::string name =
      all ? image::pull_all_tags(store, text, options) : image::pull_name(store, text, options).canonical();
  print(name + "\n");
  return 0;
}

}  // namespace

const Command kPull{"pull", "pull [OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", kOptions, run, 1,
                    1};

}  // namespace sandbox::cli
