// `search`: repositories of Docker Hub, or of any registry.
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/image/reference.h"
#include "sandbox/image/registry_search.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"filter", 'f', "filter", "Filter output based on conditions provided (is-official=true, stars=3)"},
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"limit", '\0', "int", "Max number of search results (default 25)"},
    {"no-trunc", '\0', nullptr, "Don't truncate output"},
};
constexpr std::size_t description_length = 45;

std::uint64_t number(std::string_view text, std::string_view option) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  throw UsageError(fmt::format("invalid argument \"{}\" for \"--{}\" flag", text, option));
}

struct Filter {
  std::uint64_t stars = 0;
  std::string official;  ///< "true", "false" or "".
};

Filter filter_of(const Arguments& arguments) {
  Filter filter;
  for (const std::string& word : arguments.all("filter")) {
    const auto equals = word.find('=');
    const std::string key = word.substr(0, equals), value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "stars")
      filter.stars = number(value, "filter");
    else if (key == "is-official" && (value == "true" || value == "false"))
      filter.official = value;
    else
      throw UsageError(fmt::format("invalid filter '{}'", word));
  }
  return filter;
}

bool passes(const Filter& filter, const image::Found& found) {
  return found.stars >= filter.stars && (filter.official.empty() || found.official == (filter.official == "true"));
}

/// "localhost:5000/term" asks that registry, "term" Docker Hub.
std::pair<std::string, std::string> split(const std::string& text) {
  const auto slash = text.find('/');
  const auto name =
      slash == std::string::npos ? std::nullopt : image::try_parse_reference(text.substr(0, slash) + "/x");
  if (!name || name->registry != text.substr(0, slash)) return {"docker.io", text};
  return {name->registry, text.substr(slash + 1)};
}

struct Row {
  image::Found found;
  bool whole = false;
};

std::string description(const Row& row) {
  const std::string text = one_cell(row.found.description);
  return row.whole ? text : ellipsis(text, description_length);
}

constexpr Column<Row> kColumns[] = {
    {"Name", "NAME", [](const Row& row) { return without_controls(row.found.name); }},
    {"Description", "DESCRIPTION", description},
    {"StarCount", "STARS", [](const Row& row) { return fmt::format("{}", row.found.stars); }},
    {"IsOfficial", "OFFICIAL", [](const Row& row) { return std::string(row.found.official ? "[OK]" : ""); }},
};
constexpr Listing<Row> kListing{"*search.searchContext", kColumns};

int run(const Arguments& arguments) {
  const std::uint64_t limit = number(arguments.text("limit", "25"), "limit");
  if (limit < 1 || limit > 100) throw UsageError(fmt::format("limit {} is outside the range of [1, 100]", limit));
  const Filter filter = filter_of(arguments);
  const auto [registry, term] = split(arguments.positional[0]);
  std::vector<Row> rows;
  for (image::Found& found : image::search(registry, term, limit)) {
    if (passes(filter, found)) rows.push_back({std::move(found), arguments.flag("no-trunc")});
  }
  const std::string format = chosen_format(
      {arguments.text("format"), false, "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}"});
  print(render_listing(kListing, format, rows));
  return 0;
}

}  // namespace

const Command kSearch{
    "search", "search [OPTIONS] TERM", "Search Docker Hub or another registry for images", kOptions, run, 1, 1};

}  // namespace sandbox::cli
