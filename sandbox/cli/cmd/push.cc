// `push`: an image of the store, or all of a repository's, into a registry.
#include "sandbox/image/registry_push.h"

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/transfer_progress.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"all-tags", 'a', nullptr, "Push all tags of an image to the repository"},
    {"quiet", 'q', nullptr, "Suppress verbose output"},
};

/// The names to push and what they are.
std::vector<image::NamedManifest> chosen(const image::ImageStore& store, const image::Reference& wanted,
                                         bool all_tags) {
  std::vector<image::NamedManifest> found;
  for (image::NamedManifest& named : store.names()) {
    if (named.name.empty()) continue;
    const image::Reference name = image::parse_reference(named.name);
    const bool same =
        all_tags ? name.registry == wanted.registry && name.repository == wanted.repository && !name.tag.empty()
                 : named.name == wanted.canonical();
    if (same) found.push_back(std::move(named));
  }
  if (!found.empty()) return found;
  if (all_tags) throw NotFound("an image does not exist locally with the name: " + wanted.familiar_repository());
  throw NotFound("an image does not exist locally with the tag: " + wanted.familiar());
}

int run(const Arguments& arguments) {
  const std::string& text = arguments.positional[0];
  const image::Reference wanted = image::parse_reference(text);
  const bool all_tags = arguments.flag("all-tags"), quiet = arguments.flag("quiet");
  if (all_tags && (image::has_tag(text) || !wanted.digest.empty()))
    throw UsageError("tag can't be used with --all-tags/-a");
  if (!all_tags && !wanted.digest.empty()) throw UsageError("cannot push a digest reference");
  const image::ImageStore store(find_places());
  const auto images = chosen(store, wanted, all_tags);
  const auto progress = transfer_progress(quiet);
  progress->line(fmt::format("The push refers to repository [{}/{}]", wanted.registry, wanted.repository));
  for (const image::NamedManifest& named : images) {
    image::push(store, named, image::parse_reference(named.name), *progress);
    if (quiet) print(named.name + "\n");
  }
  return 0;
}

}  // namespace

const Command kPush{"push", "push [OPTIONS] NAME[:TAG]", "Upload an image to a registry", kOptions, run, 1, 1};

}  // namespace sandbox::cli
