// Containers as rows of listings: `ps`, `system df -v`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/base/places.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/container/container_store.h"

namespace sandbox::cli {

struct ContainerRow {
  const container::Entry* container = nullptr;
  const Places* places = nullptr;  ///< Where its files are. None: it has none.
  std::int64_t now = 0;       ///< Seconds since the epoch.
  bool whole = false;         ///< Nothing is cut.
  bool without_image = false; ///< `Size` is that of the container's own files alone.
  bool uncounted = false;     ///< `Size` is nothing that is asked for: its files stay uncounted.
};

extern const Listing<ContainerRow> kContainerListing;

/// "created", "running", "paused", "exited".
std::string_view state_word(const container::State& state);
/// "healthy", "unhealthy", "starting", as the status tells it, else "".
std::string health_word(const std::string& status);
/// In the user's time zone, as Go prints a time: "2006-01-02 15:04:05 -0700 MST".
std::string local_time(std::int64_t seconds);
/// "a=1,b=2"
std::string labels_cell(const std::map<std::string, std::string>& labels);

}  // namespace sandbox::cli
