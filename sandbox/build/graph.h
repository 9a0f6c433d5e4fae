// What has to be done for an image: vertices, each with what goes in. Made from a Dockerfile, the caller's words and
// the configs of base images; pure, so that it can be tested and shown. What a vertex's key is, is in cache_key.h.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sandbox/base/json.h"
#include "sandbox/build/dockerfile.h"
#include "sandbox/build/mount_words.h"
#include "sandbox/build/warning.h"

namespace sandbox::build {

/// The files of an image that exists.
struct ImageOp {
  std::string reference, platform;
};

/// A directory that the caller has named (--build-context).
struct ContextOp {
  std::string name;
};

/// ADD of something remote.
struct FetchOp {
  std::string url, checksum;
  bool keep_git_dir = false;
};

struct RunOp {
  std::vector<std::string> argv, env;
  std::vector<std::string> hidden_env;  ///< Proxies: the step sees them, no key and no history does.
  std::string directory, user, network;
  std::vector<StepMount> mounts;
  std::string script;  ///< A here-document that is its own program; empty: none.
};

struct CopyOp {
  bool add = false;
  std::vector<std::string> sources;
  std::vector<Heredoc> files;  ///< Their content as it is to be.
  std::string destination;     ///< Absolute; a "/" at the end says that it is a directory.
  int source = -1;             ///< The vertex to copy from; -1: the build context.
  std::vector<int> fetched;    ///< Vertices of those sources that are URLs, in their order.
  std::string chown, chmod;
  std::vector<std::string> excludes;
  bool link = false, parents = false;
  std::optional<bool> unpack;
};

/// WORKDIR: a directory that may exist.
struct DirectoryOp {
  std::string path, user;
};

using Op = std::variant<ImageOp, ContextOp, FetchOp, RunOp, CopyOp, DirectoryOp>;

/// No vertex: an empty root directory.
inline constexpr int kScratch = -1;

struct Vertex {
  Op op;
  int parent = kScratch;
  std::string title;  ///< "[build 2/5] RUN make"
  Place place;
  std::size_t last_line = 0;

  /// Parent, then the source of a copy and what it fetches, or those of mounts; without kScratch.
  std::vector<int> inputs() const;
};

/// A line of an image's history (image-spec config.md).
struct HistoryLine {
  std::string created_by;
  int vertex = kScratch;  ///< Whose layer it is; none: metadata only.
};

/// An argument that a stage takes: its own, or one from before the first FROM that it declares or begins with.
struct TakenArgument {
  std::string name, value;  ///< value: empty: it has none.
  Place place;              ///< Of its definition.
  std::size_t stage = 0;
};

struct Graph {
  std::vector<Vertex> vertices;  ///< Each behind its inputs.
  int result = kScratch;
  Json document;  ///< The image's config, but for its layers and the history of this build.
  std::vector<HistoryLine> history;
  std::vector<Warning> warnings;         ///< See lint.h.
  std::vector<TakenArgument> arguments;  ///< Of all stages that the result needs.
  bool uses_context = false;
};

struct GraphRequest {
  std::map<std::string, std::string> build_args;
  /// Named contexts: the reference of an image; empty: a directory.
  std::map<std::string, std::string> contexts = {};
  std::string target;  ///< A stage's name or number; empty: the last one.
  std::string os = "linux", architecture = "amd64";
};

/// The config document of an image; null: nothing is known of it. Throws NotFound and whatever fetching it brings.
using FindConfig = std::function<Json(const ImageOp& image)>;

/// Throws Mistake.
Graph make_graph(const Dockerfile& file, const GraphRequest& request, const FindConfig& find_config);

/// What a vertex does, without its inputs: the same for equal work. Hidden variables and secrets' contents are not in
/// it.
Json definition(const Op& op);

}  // namespace sandbox::build
