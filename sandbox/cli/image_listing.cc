// See image_listing.h. Fields are those of docker/cli cli/command/formatter/image.go.
#include "sandbox/cli/image_listing.h"

#include "sandbox/cli/container_listing.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

std::string since_cell(const ImageRow& row) {
  const std::int64_t created = created_of(*row.image);
  return created == 0 ? "N/A" : engine::human_duration(row.now - created) + " ago";
}

std::string size_cell(const ImageRow& row) { return engine::human_size(row.bytes); }

template <auto Member>
std::string usage_cell(const ImageRow& row) {
  return row.usage != nullptr ? engine::human_size(row.usage->*Member) : "N/A";
}

constexpr Column<ImageRow> kColumns[] = {
    {"ID", "IMAGE ID", [](const ImageRow& row) { return row.whole ? row.image->id() : short_id(row.image->id()); }},
    {"Repository", "REPOSITORY", [](const ImageRow& row) { return name_cells(row.image->name).first; }},
    {"Tag", "TAG", [](const ImageRow& row) { return name_cells(row.image->name).second; }},
    {"Digest", "DIGEST", [](const ImageRow& row) { return row.digests ? row.image->manifest.digest : "<none>"; }},
    {"CreatedSince", "CREATED", since_cell},
    {"CreatedAt", "CREATED AT", [](const ImageRow& row) { return local_time(created_of(*row.image)); }},
    {"Size", "SIZE", size_cell},
    {"VirtualSize", "SIZE", size_cell},
    {"SharedSize", "SHARED SIZE", usage_cell<&image::ImageUsage::shared>},
    {"UniqueSize", "UNIQUE SIZE", usage_cell<&image::ImageUsage::unique>},
    {"ReadOnly", "R/O", [](const ImageRow& row) { return std::string(row.read_only ? "true" : "false"); }},
    {"Containers", "CONTAINERS",
     [](const ImageRow& row) { return row.usage != nullptr ? fmt::format("{}", row.usage->containers) : "N/A"; }},
};

}  // namespace

constinit const Listing<ImageRow> kImageListing{"*formatter.imageContext", kColumns};

std::int64_t created_of(const image::Image& image) {
  const auto created = image.config_document.find("created");
  const bool told = created != image.config_document.end() && created->is_string();
  return told ? engine::parse_time(created->get<std::string>()) : 0;
}

std::map<std::string, std::string> labels_of(const image::Image& image) {
  std::map<std::string, std::string> labels;
  const auto config = image.config_document.find("config");
  if (config == image.config_document.end() || !config->is_object()) return labels;
  const auto own = config->find("Labels");
  if (own == config->end() || !own->is_object()) return labels;
  for (const auto& [name, value] : own->items()) {
    if (value.is_string()) labels[name] = value.template get<std::string>();
  }
  return labels;
}

}  // namespace sandbox::cli
