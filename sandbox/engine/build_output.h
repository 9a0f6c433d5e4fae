// `build --output`: where the result of a build goes. Runs in the client.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/engine/step_files.h"
#include "sandbox/image/image_store.h"
#include "sandbox/image/reference.h"

namespace sandbox::engine {

struct BuildOutput {
  enum class Type { image, docker, oci, local, tar } type = Type::image;
  std::string destination;         ///< A directory (local) or file; "-": standard output; empty: the store.
  std::vector<std::string> names;  ///< Beside those of --tag.
  bool push = false;
  bool compressed = false;  ///< A gzip of the archive.
  bool is_files() const { return type == Type::local || type == Type::tar; }
};

/// "type=local,dest=out", or a path alone: "out", "-". Pure. Throws UsageError in Docker's words.
BuildOutput parse_output(std::string_view words);

/// The files of a build without its config: into a directory, or as an archive. `warn` is told what has no form there.
void write_files(StepFiles& files, const build::Files& result, const BuildOutput& output,
                 const std::function<void(const std::string&)>& warn);

/// An image whose blobs are in the store as one archive, an OCI layout and a docker-archive at once.
void write_image_archive(const image::Image& image, const std::vector<image::Reference>& names,
                         const BuildOutput& output);

}  // namespace sandbox::engine
