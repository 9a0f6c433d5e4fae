// Where an image comes from or goes to when it is no registry (containers-transports(5)).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sandbox/image/image_store.h"

namespace sandbox::image {

struct Place {
  enum class Kind { registry, oci, oci_archive, docker_archive, dir };
  Kind kind = Kind::registry;
  std::string path;
  std::string name;  ///< Of the image in there, or in a registry; empty: whatever there is.
};

/// "docker://busybox", "oci:PATH[:NAME]", "oci-archive:PATH[:NAME]", "docker-archive:PATH[:NAME]", "dir:PATH"; none for
/// what begins with none of these, which is an image's name. But for dir's, a path ends at the first ':'. Throws
/// UsageError for an empty one.
std::optional<Place> parse_place(std::string_view text);

/// Loads the images of a place that is no registry. Returns their names or ids. Throws NotFound when it has none of
/// that name, and what ImageStore::load throws.
std::vector<std::string> load_from(ImageStore& store, const Place& place);

/// Writes the image there, under the place's name or else its own. A layout gets it beside what it holds, an archive is
/// replaced; dir's directory must be empty or have held an image, and of an index gets what this machine runs.
void save_to(const NamedManifest& image, const Place& place);

}  // namespace sandbox::image
