// What a build is given: the Dockerfile, and a directory of files. Runs in the client.
#pragma once

#include <memory>
#include <string>

#include "sandbox/build/ignore.h"
#include "sandbox/engine/build_image.h"
#include "sandbox/image/image_store.h"

namespace sandbox::image {
class Staged;
}

namespace sandbox::engine {

struct BuildContext {
  std::string directory;  ///< Absolute, free of links. Empty: there are no files.
  build::IgnoreRules ignored;
  std::string file, text;                   ///< The Dockerfile's name as errors show it, and its content.
  std::shared_ptr<image::Staged> unpacked;  ///< Where an archive's files are while this lives.
};

/// Reads standard input where the request says so. Throws NotFound, InvalidInput, Unsupported.
BuildContext open_context(const image::ImageStore& store, const BuildRequest& request);

}  // namespace sandbox::engine
