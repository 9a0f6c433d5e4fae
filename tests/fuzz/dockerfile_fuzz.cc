// Dockerfiles from text to graph and outline, their ignore files, and mounts' words. The first byte chooses.
#include "sandbox/build/graph.h"
#include "sandbox/build/ignore.h"
#include "sandbox/build/outline.h"
#include "target.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

void check_graph(const Graph& graph) {
  const int count = static_cast<int>(graph.vertices.size());
  for (int number = 0; number < count; ++number) {
    const Vertex& vertex = graph.vertices[static_cast<std::size_t>(number)];
    for (const int input : vertex.inputs())
      fuzz::require(input >= 0 && input < number, "a vertex comes behind its inputs");
    static_cast<void>(definition(vertex.op));
  }
  fuzz::require(graph.result < count, "the result is a vertex");
}

void build_graph(const std::string& text) {
  const FindConfig find = [](const ImageOp& image) -> Json {
    return {{"config", {{"Env", {"PATH=/bin", "A=b"}}, {"OnBuild", {"RUN " + image.reference}}}}};
  };
  try {
    const Tree tree = parse_tree(text);
    const Dockerfile file = parse_dockerfile(tree);
    const Graph graph = make_graph(file, {.build_args = {{"A", "given"}}}, find);
    check_graph(graph);
    static_cast<void>(outline_document(outline(tree, file, graph, ""), text));
    static_cast<void>(targets_document(targets(tree, file), text));
  } catch (const Mistake& mistake) {
    static_cast<void>(located(mistake, "Dockerfile", text));
  }
}

void match_path(const std::string& text) {
  const auto end = text.rfind('\n');
  const std::string path = clean_path(end == std::string::npos ? text : text.substr(end + 1));
  fuzz::require(!path.starts_with("../") && !path.starts_with('/'), "a clean path stays below");
  static_cast<void>(IgnoreRules::parse(text.substr(0, end)).ignores(path));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 1U << 16) return 0;
  const std::string text(fuzz::as_text(data + 1, size - 1));
  fuzz::attempt([&] {
    if (data[0] == 'i')
      match_path(text);
    else if (data[0] == 'm')
      static_cast<void>(parse_step_mount(text, "/work"));
    else
      build_graph(text);
  });
  return 0;
}
