// `history`: the steps that made an image, newest first.
#include <time.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"human", 'H', nullptr, "Print sizes and dates in human readable format (default true)"},
    {"no-trunc", '\0', nullptr, "Don't truncate output"},
    {"quiet", 'q', nullptr, "Only show image IDs"},
};

constexpr std::string_view kTable = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
constexpr std::string_view kTableOfNumbers = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

struct Step {
  std::string id, created, created_by, comment;
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
  while (layer + told < image.layers.size()) steps.push_back({{}, {}, {}, {}, image.layers[layer++].size});
  for (const Json& entry : entries) {
    steps.push_back({{}, text_of(entry, "created"), text_of(entry, "created_by"), text_of(entry, "comment"), 0});
    if (makes_layer(entry) && layer < image.layers.size()) steps.back().size = image.layers[layer++].size;
  }
  std::ranges::reverse(steps);
  return steps;
}

struct Row {
  Step step;
  bool whole = false, human = true;
};

std::string created_at(const Row& row) {
  const std::int64_t seconds = engine::parse_time(row.step.created);
  return seconds == 0 ? "N/A" : engine::format_time(seconds);
}

std::string created_since(const Row& row) {
  const std::int64_t seconds = engine::parse_time(row.step.created);
  if (!row.human || seconds == 0) return created_at(row);
  return engine::human_duration(::time(nullptr) - seconds) + " ago";
}

std::string created_by(const Row& row) {
  const std::string text = one_cell(row.step.created_by);
  return row.whole ? text : ellipsis(text, 45);
}

constexpr Column<Row> kColumns[] = {
    {"ID", "IMAGE", [](const Row& row) { return row.whole ? row.step.id : short_id(row.step.id); }},
    {"CreatedSince", "CREATED", created_since},
    {"CreatedAt", "CREATED AT", created_at},
    {"CreatedBy", "CREATED BY", created_by},
    {"Size", "SIZE",
     [](const Row& row) { return row.human ? engine::human_size(row.step.size) : fmt::format("{}", row.step.size); }},
    {"Comment", "COMMENT", [](const Row& row) { return row.step.comment; }},
};
constexpr Listing<Row> kListing{"*image.historyContext", kColumns};

int run(const Arguments& arguments) {
  const image::Image image = image::ImageStore(find_places()).find(arguments.positional[0]);
  const bool human = arguments.last("human") ? arguments.flag("human") : true;
  std::vector<Row> rows;
  for (Step step : steps_of(image)) {
    // Who made the image has kept the ids of those below to themselves.
    step.id = rows.empty() ? image.id() : "<missing>";
    rows.push_back({std::move(step), arguments.flag("no-trunc"), human});
  }
  print(render_listing(kListing, chosen_format({arguments.text("format"), arguments.flag("quiet"),
                                                human ? kTable : kTableOfNumbers}), rows));
  return 0;
}

}  // namespace

const Command kHistory{"history", "history [OPTIONS] IMAGE", "Show the history of an image", kOptions, run, 1, 1};

}  // namespace sandbox::cli
