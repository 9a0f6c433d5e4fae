// Containers, images and networks as `inspect` shows them: Docker's documents (Engine API, ContainerInspect,
// ImageInspect and NetworkInspect), with its members in its order. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sandbox/base/json.h"
#include "sandbox/cli/shown_network.h"
#include "sandbox/cli/template/value.h"
#include "sandbox/container/container_store.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {

/// Bytes of files, for `inspect --size`.
struct ContainerSize {
  std::uint64_t own = 0, with_image = 0;
};

/// `image`: nullptr when it has been removed.
OrderedJson inspected(const container::Container& container, const image::Image* image,
                      const std::optional<ContainerSize>& size);

/// `names`: all of the image's, canonical. `bytes`: what it takes on the disk.
OrderedJson inspected(const image::Image& image, const std::vector<std::string>& names, std::uint64_t bytes);

/// With those of `containers` that are on it now.
OrderedJson inspected(const ShownNetwork& network, const std::vector<container::Container>& containers);
/// The networks that a container is on, or will be when it runs: an object of their names.
OrderedJson inspected_networks(const container::Container& container);
/// Docker gives each end of a network an identifier: 64 hexadecimal digits that follow from those of both.
std::string endpoint_id(const std::string& container_id, const std::string& network_id);

/// Where these documents' members are maps or lists in Docker's structures.
std::span<const templates::TypedMember> inspected_types();

}  // namespace sandbox::cli
