// `push`: an image of the store, or all of a repository's, into a registry.
#include "sandbox/image/registry_push.h"

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/transfer_progress.h"
#include "sandbox/image/manifest_list.h"
#include "sandbox/image/place.h"

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

/// An image under another name, or to a place that is no registry.
int push_to(const image::ImageStore& store, const std::string& source, std::string target, bool quiet) {
  const image::NamedManifest image = image::find_manifest(store, source);
  if (const auto place = image::parse_place(target)) {
    target = place->name;
    if (place->kind != image::Place::Kind::registry) {
      image::save_to(image, *place);
      return 0;
    }
  }
  const image::Reference name = image::parse_reference(target);
  const auto progress = transfer_progress(quiet);
  progress->line(fmt::format("The push refers to repository [{}/{}]", name.registry, name.repository));
  image::push(store, image, name, *progress);
  if (quiet) print(name.canonical() + "\n");
  return 0;
}

int run(const Arguments& arguments) {
  const std::string& text = arguments.positional[0];
  if (arguments.positional.size() > 1) {
    if (arguments.flag("all-tags")) throw UsageError("--all-tags/-a has no destination");
    return push_to(image::ImageStore(find_places()), text, arguments.positional[1], arguments.flag("quiet"));
  }
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
    const std::string name = image::parse_reference(named.name).familiar();
    store.tell("push", name, name);
    if (quiet) print(named.name + "\n");
  }
  return 0;
}

}  // namespace

const Command kPush{
    "push", "push [OPTIONS] NAME[:TAG] [DESTINATION]", "Upload an image to a registry", kOptions, run, 1, 2};

}  // namespace sandbox::cli
