// Images as rows of listings: `images`, `system df -v`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/cli/format/listing.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {

struct ImageRow {
  const image::Image* image = nullptr;
  std::int64_t now = 0;     ///< Seconds since the epoch.
  bool whole = false;       ///< Nothing is cut.
  bool digests = false;     ///< Asked for with --digests.
  std::uint64_t bytes = 0;  ///< On the disk.
  /// Of `system df`.
  const image::ImageUsage* usage = nullptr;
  bool read_only = false;  ///< Of an additional store.
};

extern const Listing<ImageRow> kImageListing;

/// Seconds since the epoch; 0 when the image doesn't tell.
std::int64_t created_of(const image::Image& image);
/// The labels of its config.
std::map<std::string, std::string> labels_of(const image::Image& image);

}  // namespace sandbox::cli
