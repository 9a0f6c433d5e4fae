// `images`: the classic table.
#include <time.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"all", 'a', nullptr, "Show all images (untagged ones too, which is the default here)"},
    {"no-trunc", '\0', nullptr, "Don't truncate output"},
    {"quiet", 'q', nullptr, "Only show image IDs"},
};

std::vector<std::string> row(const image::Image& image, bool whole) {
  const auto [repository, tag] = name_cells(image.name);
  std::uint64_t size = 0;
  for (const auto& layer : image.layers) size += layer.size;
  const std::int64_t created = image.config_document.contains("created") && image.config_document["created"].is_string()
                                   ? engine::parse_time(image.config_document["created"].get<std::string>())
                                   : 0;
  return {repository, tag, whole ? image.id() : short_id(image.id()),
          created == 0 ? "N/A" : engine::human_duration(::time(nullptr) - created) + " ago", engine::human_size(size)};
}

int run(const Arguments& arguments) {
  const auto images = image::ImageStore(find_places()).list();
  const bool whole = arguments.flag("no-trunc");
  std::vector<std::vector<std::string>> rows{{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}};
  for (const auto& image : images) {
    auto cells = row(image, whole);
    if (arguments.positional.empty() || cells[0] == arguments.positional[0] ||
        cells[0] + ":" + cells[1] == arguments.positional[0]) {
      rows.push_back(std::move(cells));
    }
  }
  if (!arguments.flag("quiet")) {
    print(render_table(rows));
    return 0;
  }
  for (std::size_t i = 1; i < rows.size(); ++i) print(rows[i][2] + "\n");
  return 0;
}

}  // namespace

const Command kImages{"images", "images [OPTIONS] [REPOSITORY[:TAG]]", "List images", kOptions, run, 0, 1};

}  // namespace sandbox::cli
