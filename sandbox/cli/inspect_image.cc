// An image's document; see inspect_document.h.
#include <set>

#include "sandbox/cli/image_listing.h"
#include "sandbox/cli/inspect_document.h"
#include "sandbox/image/reference.h"

namespace sandbox::cli {
namespace {

/// What the image says of itself, of whatever type that is.
OrderedJson told(const image::Image& image, const char* key, OrderedJson otherwise) {
  const auto member = image.config_document.find(key);
  return member == image.config_document.end() ? std::move(otherwise) : OrderedJson(*member);
}

/// The comment of its last step.
std::string comment_of(const image::Image& image) {
  const auto history = image.config_document.find("history");
  if (history == image.config_document.end() || !history->is_array() || history->empty()) return {};
  const Json& last = history->back();
  const auto comment = last.is_object() ? last.find("comment") : last.end();
  return comment != last.end() && comment->is_string() ? comment->get<std::string>() : std::string();
}

}  // namespace

OrderedJson inspected(const image::Image& image, const std::vector<std::string>& names, std::uint64_t bytes) {
  OrderedJson tags = OrderedJson::array();
  std::set<std::string> digests;
  for (const std::string& name : names) {
    image::Reference reference = image::parse_reference(name);
    const bool by_digest = !reference.digest.empty();
    if (!by_digest) tags.push_back(reference.familiar());
    reference.tag.clear();
    reference.digest = image.manifest.digest;
    digests.insert(reference.familiar());
  }
  OrderedJson document = {
      {"Id", image.id()},    {"RepoTags", std::move(tags)},         {"RepoDigests", digests},
      {"Parent", ""},        {"Comment", comment_of(image)},        {"Created", told(image, "created", "")},
      {"DockerVersion", ""}, {"Author", told(image, "author", "")}, {"Architecture", told(image, "architecture", "")}};
  if (image.config_document.contains("variant")) document["Variant"] = told(image, "variant", "");
  document["Os"] = told(image, "os", "");
  document["Size"] = bytes;
  document["RootFS"] = {{"Type", "layers"}, {"Layers", image.diff_ids}};
  document["Metadata"] = {{"LastTagTime", "0001-01-01T00:00:00Z"}};
  document["Descriptor"] = {
      {"mediaType", image.manifest.media_type}, {"digest", image.manifest.digest}, {"size", image.manifest.size}};
  document["Config"] = told(image, "config", OrderedJson::object());
  return document;
}

std::span<const templates::TypedMember> inspected_types() {
  using templates::GoType;
  static constexpr templates::TypedMember types[] = {
      {"Labels", GoType::map_of_strings},
      {"Annotations", GoType::map_of_strings},
      {"Data", GoType::map_of_strings},
      {"Tmpfs", GoType::map_of_strings},
      {"Sysctls", GoType::map_of_strings},
      {"Options", GoType::map_of_strings},
      {"Ports", GoType::map},
      {"PortBindings", GoType::map},
      {"Networks", GoType::map},
      {"ExposedPorts", GoType::map},
      {"Volumes", GoType::map},
      {"Binds", GoType::list},
      {"VolumesFrom", GoType::list},
      {"CapAdd", GoType::list},
      {"CapDrop", GoType::list},
      {"Aliases", GoType::list},
      {"Dns", GoType::list},
      {"DnsOptions", GoType::list},
      {"DnsSearch", GoType::list},
      {"ExtraHosts", GoType::list},
      {"GroupAdd", GoType::list},
      {"ExecIDs", GoType::list},
      {"Cmd", GoType::list},
      {"Entrypoint", GoType::list},
      {"OnBuild", GoType::list},
      {"Env", GoType::list},
  };
  return types;
}

}  // namespace sandbox::cli
