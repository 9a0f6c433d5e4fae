// `build`: from a Dockerfile and its context to an image. Runs in the client; steps run in processes of their own.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/build/graph.h"

namespace sandbox::engine {

struct BuildRequest {
  std::string context;     ///< A directory; "-": a Dockerfile or a tar on standard input.
  std::string dockerfile;  ///< -f; "-": standard input; empty: "Dockerfile" in the context.
  std::vector<std::string> tags;
  std::map<std::string, std::string> build_args;
  std::vector<std::string> labels;             ///< "NAME=value"
  std::map<std::string, std::string> secrets;  ///< Their contents, by id.
  std::string target, network, platform;
  std::vector<std::string> add_hosts;
  bool pull = false, no_cache = false;
  std::vector<std::string> no_cache_stages;
  std::size_t parallel = 0;  ///< Steps at once; 0: as many as there are processors.
};

/// What happens meanwhile, for whoever shows it. Vertices are numbers of the graph.
class BuildProgress {
 public:
  virtual ~BuildProgress() = default;
  virtual void notice(const std::string& line) = 0;  ///< Of a pull, or a warning.
  virtual void begun(std::size_t vertex, const build::Vertex& what) = 0;
  virtual void output(std::size_t vertex, std::string_view text) = 0;
  virtual void done(std::size_t vertex, const build::Vertex& what, bool cached) = 0;
  virtual void failed(std::size_t vertex, const build::Vertex& what) = 0;
};

/// A step has failed. The message names it, with the lines of the Dockerfile that it is from.
struct StepFailure : Error {
  using Error::Error;
};

/// Returns the image's id, when it is on the disk. Throws DockerfileError, StepFailure, build::Interrupted.
std::string build_image(const Places& places, const BuildRequest& request, BuildProgress& progress);

}  // namespace sandbox::engine
