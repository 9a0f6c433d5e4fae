// `build --progress rawjson`: a document a line, as BuildKit's clients read them (SolveStatus).
#include <stdio.h>
#include <time.h>

#include <map>

#include "sandbox/base/base64.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/build_progress.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

std::string now() { return engine::format_time(::time(nullptr)); }

class JsonProgress : public ShownProgress {
 public:
  void notice(const std::string& line) override { put("warnings", {{"short", base64(line + "\n")}}); }
  void begun(std::size_t vertex, const build::Vertex& what) override {
    started_[vertex] = now();
    put("vertexes", describe(vertex, what));
  }
  void output(std::size_t vertex, std::string_view text) override {
    put("logs", {{"vertex", digest(vertex)}, {"stream", 2}, {"data", base64(text)}, {"timestamp", now()}});
  }
  void done(std::size_t vertex, const build::Vertex& what, bool cached) override {
    if (cached) started_[vertex] = now();
    Json document = describe(vertex, what);
    document["completed"] = now();
    if (cached) document["cached"] = true;
    put("vertexes", std::move(document));
  }
  void failed(std::size_t vertex, const build::Vertex& what) override {
    Json document = describe(vertex, what);
    document["completed"] = now();
    document["error"] = "the step has failed";
    put("vertexes", std::move(document));
  }
  void explained(const build::Vertex& what, const std::vector<std::string>& reasons) override {
    put("explanations", {{"name", what.title}, {"reasons", reasons}});
  }
  void built(const engine::BuiltImage&) override {}

 private:
  static std::string digest(std::size_t vertex) { return sha256_digest(std::to_string(vertex)); }
  Json describe(std::size_t vertex, const build::Vertex& what) const {
    return {{"digest", digest(vertex)}, {"name", what.title}, {"started", started_.at(vertex)}};
  }
  static void put(const char* kind, Json document) {
    const Json line = {{kind, Json::array({std::move(document)})}};
    ::fputs((line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n").c_str(), stderr);
  }

  std::map<std::size_t, std::string> started_;
};

}  // namespace

std::unique_ptr<ShownProgress> json_progress() { return std::make_unique<JsonProgress>(); }

}  // namespace sandbox::cli
