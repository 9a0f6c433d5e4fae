// The filters of `ps` (docs.docker.com, "docker container ls", Filtering).
#pragma once

#include <vector>

#include "sandbox/cli/filters.h"
#include "sandbox/container/container_store.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {

inline constexpr std::string_view kContainerFilters[] = {
    "ancestor", "before",  "exited",         "expose", "health",               "id",     "label",
    "name",     "network", "publish", "restart-policy", "should-start-on-boot", "since", "status", "volume"};

/// What the filters need to know besides the containers.
struct FilterContext {
  std::vector<container::Entry> all;  ///< Newest first.
  std::vector<image::Image> images;       ///< Asked for by "ancestor" only.
};

/// Whether the filters look at containers that don't run without being told to.
bool asks_for_all(const Filters& filters);

/// Those of `context.all` that pass, in their order. Throws UsageError for a value that the filter can't have, NotFound
/// for a container that "before" or "since" names.
std::vector<container::Entry> filtered(const Filters& filters, const FilterContext& context);

/// Those of the store that pass, newest first, without the steps of builds. Reads what the filters look at.
std::vector<container::Entry> filtered(const Filters& filters, const Places& places);

}  // namespace sandbox::cli
