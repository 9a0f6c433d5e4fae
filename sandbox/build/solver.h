// The order of work: which vertices are done, and who is at work on the others. A vertex begins when all that goes into
// it is there; independent ones run beside each other. Runs in the client, with one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/build/graph.h"

namespace sandbox::build {

struct Layer {
  std::string media_type, digest, diff_id;
  std::uint64_t size = 0;
};

/// What a FetchOp has come to.
struct Fetched {
  FetchOp op;
  std::string digest;     ///< Of a file's content; or commit and directory of a repository.
  std::string directory;  ///< Where it is; empty: not here yet, as the checksum says what it will be.
};

/// The files that a vertex results in.
struct Files {
  std::vector<Layer> layers;  ///< Bottom first.
  bool own_layer = false;     ///< The last one is this vertex's; otherwise it has changed nothing.
  std::string created = {};   ///< RFC 3339; empty for an image's.
  std::string context = {};   ///< Of a ContextOp: its name.
  std::optional<Fetched> fetched = {};
};

/// A vertex that is worked on. Its end before it is done stops the work and clears away what there is of it.
class RunningStep {
 public:
  virtual ~RunningStep() = default;
  /// Readable when advance() has something to do.
  virtual int fd() const = 0;
  /// The result, once there is one. Throws what has failed.
  virtual std::optional<Files> advance() = 0;
};

class StepExecutor {
 public:
  virtual ~StepExecutor() = default;
  /// What needs no work: images, and what was done before. `inputs`: of the vertex's inputs(), in their order.
  virtual std::optional<Files> recall(std::size_t vertex, const std::vector<const Files*>& inputs) = 0;
  virtual std::unique_ptr<RunningStep> start(std::size_t vertex, const std::vector<const Files*>& inputs) = 0;
};

/// A signal has ended the build.
struct Interrupted : Error {
  explicit Interrupted(int number) : Error("interrupted"), signal(number) {}
  int signal;
};

/// Results of all vertices. `parallel`: how many steps may run at once. When one fails, those that run are ended, and
/// its error is thrown. SIGINT, SIGTERM and SIGHUP end all of them (Interrupted).
std::vector<Files> solve(const Graph& graph, StepExecutor& executor, std::size_t parallel);

}  // namespace sandbox::build
