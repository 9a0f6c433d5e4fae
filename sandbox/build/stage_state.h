// A stage while its instructions are applied: variables, the image's config so far, the vertex with its files. Pure.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sandbox/build/expand.h"
#include "sandbox/build/graph.h"

namespace sandbox::build {

/// Values of ARG from outside the stage.
struct Arguments {
  std::map<std::string, std::string> given;   ///< --build-arg
  std::map<std::string, std::string> global;  ///< Before the first FROM, and the predefined ones.
};

/// http_proxy and its kin may be given without being declared.
bool is_proxy(const std::string& name);

/// The vertex of what --from names; kScratch for an empty name.
using FindSource = std::function<int(const std::string& name)>;

class StageState {
 public:
  /// FROM scratch.
  StageState(const Arguments& arguments, char escape);

  /// On an image's config (the member "config"), for changes of it alone: no variables but its own.
  explicit StageState(const Json& config);

  /// `document`: null when nothing is known of it.
  void set_base(int vertex, const Json& document);
  /// A stage on top of this one: arguments don't reach it.
  void begin_stage();
  /// The ONBUILD triggers of the base image, which are used up. `place`: of the FROM. Throws Mistake.
  std::vector<Instruction> take_triggers(Place place);

  /// Throws Mistake, InvalidInput.
  void apply(const Instruction& instruction, Graph& graph, const FindSource& find_source);
  /// "[name 2/5] " in front of the titles of this stage's vertices, which are those from `first` on.
  void number_titles(Graph& graph, std::size_t first, const std::string& name) const;

  /// The value of an ARG of this stage.
  std::optional<std::string> argument(const std::string& name) const;
  int vertex() const { return vertex_; }
  const Json& document() const { return document_; }
  const std::vector<HistoryLine>& history() const { return history_; }

 private:
  struct Context;  // what one instruction is applied in

  void on(const From& from, Context& in);
  void on(const Arg& arg, Context& in);
  void on(const Env& env, Context& in);
  void on(const Label& label, Context& in);
  void on(const Run& run, Context& in);
  void on(const Copy& copy, Context& in);
  void on(const Command& command, Context& in);
  void on(const Expose& expose, Context& in);
  void on(const Volume& volume, Context& in);
  void on(const User& user, Context& in);
  void on(const WorkDir& directory, Context& in);
  void on(const StopSignal& signal, Context& in);
  void on(const Shell& shell, Context& in);
  void on(const HealthCheck& check, Context& in);
  void on(const OnBuild& onbuild, Context& in);
  void on(const Maintainer& maintainer, Context& in);

  Json& config() { return document_["config"]; }
  std::string config_text(const char* key) const;
  std::vector<std::string> config_list(const char* key) const;
  void set_variable(const std::string& name, const std::string& value);
  std::optional<std::string> lookup(const std::string& name) const;
  std::string expanded(std::string_view text, Place place) const;
  void warn_of_undefined(Context& in);
  std::vector<std::string> with_shell(const CommandLine& line) const;
  std::string directory() const;
  void metadata(std::string created_by) { history_.push_back({std::move(created_by), kScratch}); }
  void add_vertex(Op op, Context& in, std::string created_by);
  void add_fetches(const Copy& copy, CopyOp& op, Context& in) const;
  void set_command_of_run(const Run& run, const Context& in, RunOp& op) const;

  const Arguments* arguments_;
  char escape_;
  int vertex_ = kScratch;
  Json document_;
  std::vector<HistoryLine> history_;
  std::vector<std::pair<std::string, std::optional<std::string>>> args_;  ///< Declared in this stage, in their order.
  std::vector<int> own_;                                                  ///< This stage's vertices.
  bool command_set_ = false, directory_set_ = false;
  bool base_known_ = true;
  mutable std::set<std::string> missed_;  ///< Variables that the instruction has used, though they aren't set.
};

}  // namespace sandbox::build
