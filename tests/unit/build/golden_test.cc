// Dockerfiles and what becomes of them: cases/<case>/{Dockerfile,expected}, with args (NAME=value a line, "--target
// NAME", "--context NAME[=IMAGE]"), ignore (.dockerignore) and base.json (the config document of every base image)
// where a case needs them. SANDBOX_ACCEPT=1 writes the expected files; then read the difference.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <sstream>

#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/build/lint.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

GraphRequest read_request(const std::string& directory) {
  GraphRequest request;
  if (!path_exists(directory + "/args")) return request;
  std::istringstream lines(read_file(directory + "/args"));
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    if (line.starts_with("--context "))
      request.contexts[line.substr(10, equals - 10)] = equals == std::string::npos ? "" : line.substr(equals + 1);
    else if (line.starts_with("--target "))
      request.target = line.substr(9);
    else
      request.build_args[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return request;
}

std::string shown(const Tree& tree) {
  std::string text = fmt::format("== tree (escape {})\n", tree.escape);
  if (!tree.syntax.empty()) text += fmt::format("syntax {}\n", tree.syntax);
  if (!tree.check.empty()) text += fmt::format("check {}\n", tree.check);
  for (const Node& node : tree.nodes) {
    text += fmt::format("{}-{} {} {}\n", node.place.line, node.last_line, node.keyword, Json(node.rest.text()).dump());
    for (const Heredoc& heredoc : node.heredocs) {
      text += fmt::format("     {}{} {} {}\n", heredoc.strip_tabs ? "-" : "", heredoc.name,
                          heredoc.expand ? "expanded" : "as it is", Json(heredoc.content).dump());
    }
  }
  return text;
}

std::string shown(const Graph& graph) {
  std::string text = "== graph\n";
  for (std::size_t i = 0; i < graph.vertices.size(); ++i) {
    const Vertex& vertex = graph.vertices[i];
    text += fmt::format("{} {}\n     inputs {} lines {}-{}\n     {}\n", i, vertex.title, Json(vertex.inputs()).dump(),
                        vertex.place.line, vertex.last_line, definition(vertex.op).dump());
  }
  text += fmt::format("result {}{}\n== config\n{}\n== history\n", graph.result,
                      graph.uses_context ? " with the context" : "", graph.document.dump(1));
  for (const HistoryLine& line : graph.history)
    text += fmt::format("{} {}\n", line.vertex, Json(line.created_by).dump());
  return text;
}

/// All stages' results, or the first mistake.
std::string result_of(const std::string& directory) {
  const std::string text = read_file(directory + "/Dockerfile");
  std::string shown_so_far;
  try {
    shown_so_far += shown(parse_tree(text));
    const FindConfig find = [&](const ImageOp&) -> Json {
      if (path_exists(directory + "/base.json")) return parse_json(read_file(directory + "/base.json"), "base.json");
      return {{"os", "linux"}, {"config", {{"Env", {"PATH=/bin"}}, {"Cmd", {"sh"}}}}};
    };
    const Tree tree = parse_tree(text);
    const Graph graph = make_graph(parse_dockerfile(tree), read_request(directory), find);
    shown_so_far += shown(graph);
    IgnoreRules ignored;
    if (path_exists(directory + "/ignore")) ignored = IgnoreRules::parse(read_file(directory + "/ignore"));
    for (const Warning& warning : lint(tree, graph, ignored, check_options(tree)))
      shown_so_far += "warning: " + on_one_line(warning) + "\n";
  } catch (const Mistake& mistake) {
    const DockerfileError error = located(mistake, "Dockerfile", text);
    shown_so_far += fmt::format("== error\n{}\n", error.what());
    if (!error.hint().empty()) shown_so_far += fmt::format("hint: {}\n", error.hint());
  }
  return shown_so_far;
}

}  // namespace

TEST_CASE("each Dockerfile of the collection becomes the tree, the graph and the config that are written beside it") {
  const std::string cases = CASES_DIRECTORY;
  const auto names = list_directory(cases);
  CHECK(names.size() > 10);
  for (const std::string& name : names) {
    CAPTURE(name);
    const std::string directory = cases + "/" + name, expected = directory + "/expected";
    const std::string result = result_of(directory);
    if (::getenv("SANDBOX_ACCEPT") != nullptr) write_file_atomic(expected, result, false, 0644);
    CHECK(result == (path_exists(expected) ? read_file(expected) : std::string("there is no such file")));
  }
}
