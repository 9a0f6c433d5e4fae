// What a build is given: the Dockerfile, and a directory of files. Runs in the client.
#pragma once

#include <memory>
#include <string>

#include "sandbox/build/ignore.h"
#include "sandbox/build/solver.h"
#include "sandbox/engine/build_image.h"
#include "sandbox/image/image_store.h"

namespace sandbox::image {
class Staged;
}

namespace sandbox::engine {

/// Files that steps copy from and mount.
struct ContextFiles {
  std::string directory;  ///< Absolute, free of links. Empty: there are no files.
  build::IgnoreRules ignored;
  std::shared_ptr<image::Staged> unpacked;  ///< Where files that were fetched or unpacked are while this lives.
};

struct BuildContext : ContextFiles {
  std::string file, text;  ///< The Dockerfile's name as errors show it, and its content.
};

/// Reads standard input, or fetches, where the request says so. Throws NotFound, InvalidInput.
BuildContext open_context(const image::ImageStore& store, const BuildRequest& request);

/// --build-context name=`place`: a directory, a repository or an archive. The same.
ContextFiles open_named_context(const image::ImageStore& store, const std::string& place);

/// Fetches what ADD asks for into the new directory `place`. Throws InvalidInput for another checksum than that.
build::Fetched fetch(const build::FetchOp& op, const std::string& place);

}  // namespace sandbox::engine
