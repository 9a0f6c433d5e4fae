// `history`: the steps that made an image, newest first.
#include <time.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"human", 'H', nullptr, "Print sizes and dates in human readable format (default true)"},
    {"no-trunc", '\0', nullptr, "Don't truncate output"},
    {"quiet", 'q', nullptr, "Only show image IDs"},
};

struct Step {
  std::string created, created_by, comment;
  std::uint64_t size = 0;  ///< Of the layer's blob; 0: it made none.
};

std::string text_of(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  return found != entry.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool makes_layer(const Json& entry) {
  const auto empty = entry.find("empty_layer");
  return empty == entry.end() || *empty != true;
}

/// Newest first. The lowest layers may be without a word (image-spec: history is optional).
std::vector<Step> steps_of(const image::Image& image) {
  std::vector<Json> entries;
  const auto history = image.config_document.find("history");
  if (history != image.config_document.end() && history->is_array()) {
    std::ranges::copy_if(*history, std::back_inserter(entries), [](const Json& entry) { return entry.is_object(); });
  }
  const auto told = static_cast<std::size_t>(std::ranges::count_if(entries, makes_layer));
  std::size_t layer = 0;
  std::vector<Step> steps;
  while (layer + told < image.layers.size()) steps.push_back({{}, {}, {}, image.layers[layer++].size});
  for (const Json& entry : entries) {
    steps.push_back({text_of(entry, "created"), text_of(entry, "created_by"), text_of(entry, "comment"), 0});
    if (makes_layer(entry) && layer < image.layers.size()) steps.back().size = image.layers[layer++].size;
  }
  std::ranges::reverse(steps);
  return steps;
}

std::string cut(const std::string& text, std::size_t length, bool whole) {
  if (whole || text.size() <= length) return without_controls(text);
  std::size_t end = length - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;  // not within a character
  return without_controls(text.substr(0, end)) + "…";
}

std::string created_cell(const std::string& created, bool human) {
  const std::int64_t seconds = engine::parse_time(created);
  if (seconds == 0) return "N/A";
  return human ? engine::human_duration(::time(nullptr) - seconds) + " ago" : engine::format_time(seconds);
}

int run(const Arguments& arguments) {
  const image::Image image = image::ImageStore(find_places()).find(arguments.positional[0]);
  const bool whole = arguments.flag("no-trunc");
  const bool human = arguments.last("human") ? arguments.flag("human") : true;
  std::vector<std::vector<std::string>> rows{{"IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"}};
  std::string id = whole ? image.id() : short_id(image.id());
  for (const Step& step : steps_of(image)) {
    std::string by = step.created_by;
    std::ranges::replace(by, '\t', ' ');
    std::ranges::replace(by, '\n', ' ');
    rows.push_back({id, created_cell(step.created, human), cut(by, 45, whole),
                    human ? engine::human_size(step.size) : fmt::format("{}", step.size),
                    without_controls(step.comment)});
    id = "<missing>";  // who made the image has kept those below to themselves
  }
  if (!arguments.flag("quiet")) {
    print(render_table(rows));
    return 0;
  }
  for (std::size_t i = 1; i < rows.size(); ++i) print(rows[i][0] + "\n");
  return 0;
}

}  // namespace

const Command kHistory{"history", "history [OPTIONS] IMAGE", "Show the history of an image", kOptions, run, 1, 1};

}  // namespace sandbox::cli
