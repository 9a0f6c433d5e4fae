// The steps of one build: what is on record of them, and processes for what isn't. Runs in the client.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/build/solver.h"
#include "sandbox/engine/build_context.h"
#include "sandbox/engine/step_files.h"
#include "sandbox/image/step_records.h"

namespace sandbox::engine {

/// The base images that a graph names, by reference and platform.
using BaseImages = std::map<std::pair<std::string, std::string>, image::Image>;

struct BuildSetting {
  const Places& places;
  const BuildRequest& request;
  const BuildContext& context;
  const build::Graph& graph;
  const BaseImages& images;
  BuildProgress& progress;
  timespec now{};  ///< Of everything that the build makes.
};

class Executor : public build::StepExecutor {
 public:
  explicit Executor(const BuildSetting& setting);

  using Inputs = std::vector<const build::Files*>;
  std::optional<build::Files> recall(std::size_t vertex, const Inputs& inputs) override;
  std::unique_ptr<build::RunningStep> start(std::size_t vertex, const Inputs& inputs) override;

 private:
  class Step;
  const build::Vertex& vertex(std::size_t number) const { return setting_.graph.vertices[number]; }
  StepFailure failure(std::size_t number, const Error& error) const;
  std::string key_of(std::size_t number, const Inputs& inputs);
  std::string content_of(const build::Op& op, const Inputs& inputs, bool has_parent);
  bool may_recall(std::size_t number) const;
  build::Layer work(std::size_t number, const Inputs& inputs, const std::string& container_id);

  BuildSetting setting_;
  StepFiles files_;
  image::StepRecords records_;
  std::map<std::size_t, std::string> keys_;
};

}  // namespace sandbox::engine
