// `build`: from a Dockerfile and its context to an image. Runs in the client; steps run in processes of their own.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/build/graph.h"
#include "sandbox/build/outline.h"
#include "sandbox/engine/build_output.h"
#include "sandbox/engine/cache_places.h"
#include "sandbox/engine/requests.h"

namespace sandbox::engine {

struct BuildRequest {
  std::string context;     ///< A directory, a URL or a repository; "-": a Dockerfile or a tar on standard input.
  std::string dockerfile;  ///< -f; "-": standard input; empty: "Dockerfile" in the context.
  std::vector<std::string> tags;
  std::map<std::string, std::string> build_args;
  std::vector<std::string> labels;             ///< "NAME=value"
  std::map<std::string, std::string> secrets;  ///< Their contents, by id.
  std::string target, network, platform;
  std::map<std::string, std::string> contexts;  ///< --build-context: a directory, URL or "docker-image://…", by name.
  std::map<std::string, std::string> agents;    ///< --ssh: sockets, by id.
  std::map<std::string, std::string> annotations;  ///< Of the manifest.
  std::vector<CachePlace> cache_from, cache_to;
  std::vector<BuildOutput> outputs;  ///< None: the store.
  RunRequest limits;                 ///< Memory, processors, ulimits, hosts and the like of each RUN.
  bool pull = false, no_cache = false;
  bool squash = false;   ///< What is put on top of the base image becomes one layer.
  bool explain = false;  ///< Say of each step why it was done or not.
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
  /// Why a step is done or not; before it begins.
  virtual void explained(const build::Vertex& what, const std::vector<std::string>& reasons) = 0;
};

/// A step has failed. The message names it, with the lines of the Dockerfile that it is from.
struct StepFailure : Error {
  using Error::Error;
};

struct BuiltImage {
  std::string id;  ///< Empty: only files were asked for.
  image::Descriptor manifest;
  std::vector<image::Reference> names;
};

/// `build --check`: what is dubious about the Dockerfile. Nothing is pulled or done; what isn't known of a base image
/// that isn't here is no reason to warn.
struct CheckedBuild {
  std::string file, text;  ///< The Dockerfile's name and content.
  std::vector<build::Warning> warnings;
};
CheckedBuild check_build(const Places& places, const BuildRequest& request);

/// `build --call=targets` and `--call=outline`: what a Dockerfile has to build, and what building the target takes.
struct ListedTargets {
  std::string text;  ///< Of the Dockerfile.
  std::vector<build::Target> targets;
};
ListedTargets list_targets(const Places& places, const BuildRequest& request);
struct OutlinedBuild {
  std::string text;
  build::Outline outline;
};
OutlinedBuild outline_build(const Places& places, const BuildRequest& request);

/// Everything is where it was asked for, and on the disk, when it returns. Throws DockerfileError, StepFailure,
/// build::Interrupted.
BuiltImage build_image(const Places& places, const BuildRequest& request, BuildProgress& progress);

}  // namespace sandbox::engine
