// `manifest create`, `annotate`, `inspect`, `push`, `rm`: indexes of images for several platforms. They are images of
// the store; nothing is sent before `push`.
#include "sandbox/cli/cmd/manifest.h"

#include <map>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/table.h"
#include "sandbox/cli/transfer_progress.h"
#include "sandbox/engine/image_users.h"
#include "sandbox/image/manifest_list.h"
#include "sandbox/image/registry.h"
#include "sandbox/image/registry_push.h"

namespace sandbox::cli {
namespace {

constexpr Option kCreateOptions[] = {{"amend", 'a', nullptr, "Amend an existing manifest list"}};
constexpr Option kAnnotateOptions[] = {
    {"annotation", '\0', "key=value", "Set an annotation"},
    {"arch", '\0', "string", "Set architecture"},
    {"index", '\0', nullptr, "Set annotations of the list itself"},
    {"os", '\0', "string", "Set operating system"},
    {"os-features", '\0', "strings", "Set operating system feature"},
    {"os-version", '\0', "string", "Set operating system version"},
    {"variant", '\0', "string", "Set architecture variant"},
};
constexpr Option kInspectOptions[] = {
    {"artifact-type", '\0', "string", "Only list what is of this type"},
    {"referrers", '\0', nullptr, "List what refers to it in its registry"},
};
constexpr Option kPushOptions[] = {{"purge", 'p', nullptr, "Remove the local manifest list after push"}};

image::NamedManifest found_or_pulled(image::ImageStore& store, const std::string& text) {
  try {
    return image::find_manifest(store, text);
  } catch (const NotFound&) {
    return store.find_manifest(image::pull_name(store, text, {}));
  }
}

int create(const Arguments& arguments) {
  const Places places = find_places();
  make_places(places);
  image::ImageStore store(places);
  const image::Reference name = image::parse_reference(arguments.positional[0]);
  std::vector<image::NamedManifest> members;
  for (std::size_t i = 1; i < arguments.positional.size(); ++i) {
    members.push_back(found_or_pulled(store, arguments.positional[i]));
  }
  image::create_list(store, name, members, arguments.flag("amend"));
  print(fmt::format("Created manifest list {}\n", name.canonical()));
  return 0;
}

/// Of a member, by its digest, alone or behind a name, or by the name of an image that is here.
std::string digest_of(const image::ImageStore& store, const std::string& member) {
  if (is_valid_digest(member)) return member;
  if (const auto name = image::try_parse_reference(member); name && !name->digest.empty()) return name->digest;
  return image::find_manifest(store, member).manifest.digest;
}

std::map<std::string, std::string> annotations_in(const Arguments& arguments) {
  std::map<std::string, std::string> annotations;
  for (const std::string& word : arguments.all("annotation")) {
    const auto equals = word.find('=');
    if (equals == 0 || equals == word.npos)
      throw UsageError(fmt::format("invalid annotation '{}': must be key=value", word));
    annotations[word.substr(0, equals)] = word.substr(equals + 1);
  }
  return annotations;
}

int annotate(const Arguments& arguments) {
  image::ImageStore store(find_places());
  const image::PlatformWords words{arguments.last("os"), arguments.last("arch"), arguments.last("variant"),
                                   arguments.last("os-version"), arguments.all("os-features"),
                                   annotations_in(arguments)};
  const bool of_list = arguments.flag("index");
  if (of_list != (arguments.positional.size() == 1)) throw UsageError("name a manifest of the list, or give --index");
  const bool for_machine =
      words.os || words.architecture || words.variant || words.os_version || !words.os_features.empty();
  if (of_list && for_machine) throw UsageError("with --index, nothing but annotations can be set");
  const std::string digest = of_list ? std::string() : digest_of(store, arguments.positional[1]);
  image::annotate_list(store, image::parse_reference(arguments.positional[0]), digest, words);
  return 0;
}

/// As Docker and Podman: an index that is here, else what the registry has. An image that is here tells nothing of the
/// other platforms.
std::string text_of(const std::string& name) {
  try {
    const image::NamedManifest named = image::find_manifest(image::ImageStore(find_places()), name);
    if (image::is_list(named)) return image::manifest_text(named);
  } catch (const NotFound&) {
    // then the registry's
  }
  return image::fetch_manifest(name);
}

int inspect(const Arguments& arguments) {
  const bool typed = arguments.last("artifact-type").has_value();
  if (typed && !arguments.flag("referrers")) throw UsageError("--artifact-type goes with --referrers");
  if (arguments.flag("referrers")) {
    print(json_for_terminals(image::fetch_referrers(arguments.positional[0], arguments.text("artifact-type"))) + "\n");
    return 0;
  }
  print(json_for_terminals(parse_json(text_of(arguments.positional[0]), "the manifest")) + "\n");
  return 0;
}

void forget(const std::string& name) {
  const Places places = find_places();
  image::remove_list(places, image::parse_reference(name), [&] { return engine::image_users(places); });
}

int push(const Arguments& arguments) {
  const image::ImageStore store(find_places());
  const image::NamedManifest named = store.find_manifest(image::parse_reference(arguments.positional[0]));
  const image::Reference target = image::parse_reference(arguments.positional.back());
  const auto silent = transfer_progress(true);
  print(image::push(store, named, target, *silent) + "\n");
  if (arguments.flag("purge")) forget(arguments.positional[0]);
  return 0;
}

int remove(const Arguments& arguments) {
  for (const std::string& name : arguments.positional) forget(name);
  return 0;
}

}  // namespace

const Command kManifestCreate{"manifest create",
                              "manifest create [OPTIONS] MANIFEST_LIST MANIFEST [MANIFEST...]",
                              "Create a local manifest list for annotating and pushing to a registry",
                              kCreateOptions,
                              create,
                              2};
const Command kManifestAnnotate{"manifest annotate",
                                "manifest annotate [OPTIONS] MANIFEST_LIST [MANIFEST]",
                                "Add additional information to a local image manifest",
                                kAnnotateOptions,
                                annotate,
                                1,
                                2};
const Command kManifestInspect{"manifest inspect",
                               "manifest inspect [OPTIONS] MANIFEST",
                               "Display an image manifest, or manifest list",
                               kInspectOptions,
                               inspect,
                               1,
                               1};
const Command kManifestPush{"manifest push",
                            "manifest push [OPTIONS] MANIFEST_LIST [DESTINATION]",
                            "Push a manifest list to a repository",
                            kPushOptions,
                            push,
                            1,
                            2};
const Command kManifestRm{"manifest rm",
                          "manifest rm MANIFEST_LIST [MANIFEST_LIST...]",
                          "Delete manifest lists from local storage",
                          {},
                          remove,
                          1};

}  // namespace sandbox::cli
