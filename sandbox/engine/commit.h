// A container's changes as a new image. Runs in the client.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"
#include "sandbox/image/reference.h"

namespace sandbox::engine {

struct CommitRequest {
  std::string author, message;
  std::vector<std::string> changes;  ///< See config_changes.h.
  bool pause = true;                 ///< Freeze the container meanwhile.
  image::Reference name;             ///< Empty: untagged.
};

/// Returns the image's id, when it is on the disk. `warn` gets what could not be done as asked, and what of the
/// container has no form in an image. Throws Unsupported for a container that has no image.
std::string commit(const Places& places, const container::Container& container, const CommitRequest& request,
                   const std::function<void(const std::string&)>& warn);

}  // namespace sandbox::engine
