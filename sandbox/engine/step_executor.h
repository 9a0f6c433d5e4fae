// The steps of one build: what is on record of them, and processes for what isn't. Runs in the client.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sandbox/build/solver.h"
#include "sandbox/build/step_inputs.h"
#include "sandbox/engine/build_context.h"
#include "sandbox/engine/copy_step.h"
#include "sandbox/engine/step_files.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/step_records.h"

namespace sandbox::engine {

/// The base images that a graph names, by reference and platform.
using BaseImages = std::map<std::pair<std::string, std::string>, image::Image>;

using NamedContexts = std::map<std::string, ContextFiles>;

struct BuildSetting {
  const Places& places;
  const BuildRequest& request;
  const BuildContext& context;
  const NamedContexts& contexts;
  const build::Graph& graph;
  const BaseImages& images;
  ImportedCaches& imported;
  BuildProgress& progress;
  timespec now{};                 ///< Of everything that the build makes.
  const std::string& unfinished;  ///< A path in a staging area that lives as long as the build.
};

class Executor : public build::StepExecutor {
 public:
  explicit Executor(const BuildSetting& setting);

  using Inputs = std::vector<const build::Files*>;
  std::optional<build::Files> recall(std::size_t vertex, const Inputs& inputs) override;
  std::unique_ptr<build::RunningStep> start(std::size_t vertex, const Inputs& inputs) override;

  /// Of the steps that were done or found so far.
  std::vector<image::StepRecord> records() const;

 private:
  class Step;
  const build::Vertex& vertex(std::size_t number) const { return setting_.graph.vertices[number]; }
  StepFailure failure(std::size_t number, const Error& error) const;
  build::StepInputs inputs_of(std::size_t number, const Inputs& inputs);
  Contents contents_of(const build::Op& op, const Inputs& inputs, bool has_parent);
  std::optional<image::StepRecord> usable_record(const std::string& key) const;
  std::optional<build::Files> find_record(std::size_t number);
  void explain(std::size_t number, bool found);
  /// Which step of which Dockerfile a vertex is, whatever it does.
  std::string place_of(std::size_t number) const;
  bool may_recall(std::size_t number) const;
  /// Where the files of a copy or mount are: `source` is another context; none: the main one.
  const ContextFiles& context_of(const build::Files* source) const;
  CopyStep copy_of(const build::CopyOp& op, const Inputs& inputs, bool has_parent) const;
  std::string fetch_work(const build::FetchOp& op, const std::string& place) const;
  build::Layer work(std::size_t number, const Inputs& inputs, const std::string& container_id);

  BuildSetting setting_;
  StepFiles files_;
  image::StepRecords records_;
  struct Key {
    build::StepInputs inputs;
    std::string text;
  };
  std::map<std::size_t, Key> keys_;
  std::map<std::size_t, image::StepRecord> results_;
  std::vector<std::unique_ptr<image::Staged>> fetched_;  ///< Where fetches go; they live as long as the build.
};

}  // namespace sandbox::engine
