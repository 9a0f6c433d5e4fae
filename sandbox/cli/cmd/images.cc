// `images`: the classic table, newest first.
#include <fnmatch.h>
#include <time.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/docker_config.h"
#include "sandbox/cli/filters.h"
#include "sandbox/cli/image_listing.h"
#include "sandbox/cli/table.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"all", 'a', nullptr, "Show all images (untagged ones too, which is the default here)"},
    {"digests", '\0', nullptr, "Show digests"},
    {"filter", 'f', "filter", "Filter output based on conditions provided"},
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
    {"no-trunc", '\0', nullptr, "Don't truncate output"},
    {"quiet", 'q', nullptr, "Only show image IDs"},
};

constexpr std::string_view kFilters[] = {"before", "dangling", "label", "readonly", "reference", "since"};

constexpr std::string_view kTable = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
constexpr std::string_view kTableWithDigests =
    "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
constexpr std::string_view kRaw =
    "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: "
    "{{.Size}}\n";

bool is_true(const char* filter, const std::string& text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  throw UsageError(fmt::format("invalid filter '{}={}'", filter, text));
}

/// A pattern of file names (glob(7)), for the repository or for repository and tag.
bool matches(const image::Image& image, const std::string& pattern) {
  if (image.name.empty()) return false;
  const auto [repository, tag] = name_cells(image.name);
  const auto fits = [&](const std::string& text) {
    return ::fnmatch(pattern.c_str(), text.c_str(), FNM_PATHNAME) == 0;
  };
  return fits(repository) || fits(repository + ":" + tag) || fits(image.name) ||
         fits(image.name.substr(0, image.name.rfind(':')));
}

std::vector<image::Image> selected(const image::ImageStore& store, const Arguments& arguments) {
  const Filters filters(arguments, kFilters);
  auto images = store.list();
  std::ranges::stable_sort(images, std::greater{}, created_of);
  for (const auto& reference : filters.values("before")) {
    const std::int64_t created = created_of(store.find(reference));
    std::erase_if(images, [&](const auto& image) { return created_of(image) >= created; });
  }
  for (const auto& reference : filters.values("since")) {
    const std::int64_t created = created_of(store.find(reference));
    std::erase_if(images, [&](const auto& image) { return created_of(image) <= created; });
  }
  std::erase_if(images, [&](const image::Image& image) {
    const auto differs = [&](const char* filter, bool fact) {
      return !filters.any(filter, [&](const auto& value) { return is_true(filter, value) == fact; });
    };
    return differs("dangling", image.name.empty()) || differs("readonly", store.is_read_only(image)) ||
           !filters.any("reference", [&](const auto& value) { return matches(image, value); }) ||
           !filters.labels_fit(labels_of(image)) ||
           (!arguments.positional.empty() && !matches(image, arguments.positional[0]));
  });
  return images;
}

int run(const Arguments& arguments) {
  const image::ImageStore store(find_places());
  const auto images = selected(store, arguments);
  const bool digests = arguments.flag("digests");
  std::string format = arguments.text("format");
  if (format.empty() && !arguments.flag("quiet")) format = docker_config("imagesFormat");
  format = chosen_format({format, arguments.flag("quiet"), digests ? kTableWithDigests : kTable, kRaw});
  // Scripts that ask for names don't wait for sizes.
  const bool sized = format.find("Size") != format.npos || format.find("json") != format.npos;
  const auto sizes = sized ? store.sizes(images) : std::vector<std::uint64_t>(images.size());
  std::vector<ImageRow> rows;
  for (std::size_t i = 0; i < images.size(); ++i) {
    rows.push_back({&images[i], ::time(nullptr), arguments.flag("no-trunc"),
                    digests || format.find(".Digest") != format.npos, sizes[i], nullptr,
                    store.is_read_only(images[i])});
  }
  print(render_listing(kImageListing, format, rows));
  return 0;
}

}  // namespace

const Command kImages{"images", "images [OPTIONS] [REPOSITORY[:TAG]]", "List images", kOptions, run, 0, 1};

}  // namespace sandbox::cli
