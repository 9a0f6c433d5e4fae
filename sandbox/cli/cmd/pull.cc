// `pull`: an image from a registry.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/transfer_progress.h"
#include "sandbox/image/registry.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"platform", '\0', "string", "Set platform if the registry's image has several"},
    {"quiet", 'q', nullptr, "Suppress verbose output"},
};

int run(const Arguments& arguments) {
  const Places places = find_places();
  make_places(places);
  image::ImageStore store(places);
  image::PullOptions options;
  options.platform = arguments.text("platform");
  const auto progress = transfer_progress(arguments.flag("quiet"));
  options.progress = progress.get();
  const image::Reference reference = image::pull_name(store, arguments.positional[0], options);
  print(reference.canonical() + "\n");
  return 0;
}

}  // namespace

const Command kPull{"pull", "pull [OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", kOptions, run, 1, 1};

}  // namespace sandbox::cli
