// See graph.h. A stage is worked through once, when something needs it; the instructions are applied one by one to the
// state of the stage so far.
#include "sandbox/build/graph.h"

#include <algorithm>
#include <optional>
#include <set>

#include "sandbox/build/lint_rules.h"
#include "sandbox/build/stage_state.h"

namespace sandbox::build {
namespace {

constexpr std::size_t kMostVertices = 10'000;

class GraphMaker {
 public:
  GraphMaker(const Dockerfile& file, const GraphRequest& request, const FindConfig& find_config)
      : file_(file), request_(request), find_config_(find_config), done_(file.stages.size()) {}

  Graph run() {
    read_globals();
    std::size_t target = file_.stages.size() - 1;
    if (!request_.target.empty()) target = find_target();
    const StageState& state = stage(target);
    graph_.result = state.vertex();
    graph_.document = state.document();
    graph_.history = state.history();
    warn_of_unused_arguments();
    add_globals();
    return std::move(graph_);
  }

 private:
  std::size_t find_target() const {
    const std::size_t found = file_.find_stage(request_.target, file_.stages.size());
    if (found != std::string::npos) return found;
    std::vector<std::string_view> names;
    for (const Stage& stage : file_.stages) names.push_back(stage.base.name);
    throw Mistake({}, fmt::format("target stage \"{}\" could not be found", request_.target),
                  suggestion(request_.target, names));
  }

  void read_globals() {
    arguments_.given = request_.build_args;
    const std::string platform = request_.os + "/" + request_.architecture;
    for (const char* side : {"TARGET", "BUILD"}) {
      arguments_.global[fmt::format("{}PLATFORM", side)] = platform;
      arguments_.global[fmt::format("{}OS", side)] = request_.os;
      arguments_.global[fmt::format("{}ARCH", side)] = request_.architecture;
      arguments_.global[fmt::format("{}VARIANT", side)] = "";
    }
    Variables defaults = arguments_.global;
    for (const Arg& arg : file_.globals) {
      for (const Arg::Variable& variable : arg.variables) {
        used_.insert(variable.name);
        Global& global = globals_[variable.name];
        global.place = variable.place;
        const auto given = arguments_.given.find(variable.name);
        if (variable.value) defaults[variable.name] = expanded_among(defaults, *variable.value, variable.place);
        if (given != arguments_.given.end())
          arguments_.global[variable.name] = given->second;
        else if (variable.value)
          arguments_.global[variable.name] = expanded_globally(*variable.value, variable.place, &global.needs);
      }
    }
    graph_.warnings = check_bases(file_, arguments_.global, defaults);
  }

  /// `names`: gets those of the variables in the text.
  std::string expanded_globally(std::string_view text, Place place, std::set<std::string>* names = nullptr) const {
    return expanded_among(arguments_.global, text, place, names);
  }

  std::string expanded_among(const Variables& variables, std::string_view text, Place place,
                             std::set<std::string>* names = nullptr) const {
    try {
      const Lookup lookup = [&](const std::string& name) -> std::optional<std::string> {
        if (names != nullptr) names->insert(name);
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
      };
      return expand(text, lookup, {.escape = file_.escape});
    } catch (const InvalidInput& error) {
      throw Mistake(place, error.what());
    }
  }

  const StageState& stage(std::size_t number) {
    if (!done_[number]) {
      StageState state = begin(number);
      const Stage& stage = file_.stages[number];
      const std::size_t first = graph_.vertices.size();
      for (const Instruction& instruction : state.take_triggers(stage.place)) apply(state, number, instruction);
      for (const Instruction& instruction : stage.instructions) apply(state, number, instruction);
      state.number_titles(graph_, first, stage_title(number));
      done_[number] = std::move(state);
    }
    return *done_[number];
  }

  std::string stage_title(std::size_t number) const {
    if (file_.stages.size() == 1) return "";
    const std::string& name = file_.stages[number].base.name;
    return name.empty() ? fmt::format("stage-{}", number) : name;
  }

  StageState begin(std::size_t number) {
    const Stage& stage = file_.stages[number];
    std::set<std::string> variables;
    std::string name = expanded_globally(stage.base.image.text, stage.base.image.place, &variables);
    const std::string platform = expanded_globally(stage.base.platform, stage.place, &variables);
    take_globals(variables, number);
    if (name.empty())
      throw Mistake(stage.base.image.place, fmt::format("base name ({}) should not be blank", stage.base.image.text));
    if (const auto named = request_.contexts.find(name); named != request_.contexts.end()) {
      if (named->second.empty())
        throw Mistake(stage.base.image.place,
                      fmt::format("the context '{}' is a directory: FROM takes an image", name));
      name = named->second;
    }
    const std::size_t base = request_.contexts.contains(name) ? std::string::npos : file_.find_stage(name, number);
    if (base != std::string::npos && !is_number(name)) {
      StageState state = this->stage(base);
      state.begin_stage();
      return state;
    }
    StageState state(arguments_, file_.escape);
    if (name == "scratch") return state;
    state.set_base(image(name, platform, stage.place), find_config_({name, platform}));
    return state;
  }

  static bool is_number(const std::string& text) { return text.find_first_not_of("0123456789") == std::string::npos; }

  int image(const std::string& reference, const std::string& platform, Place place) {
    auto [found, is_new] = images_.try_emplace({reference, platform}, static_cast<int>(graph_.vertices.size()));
    if (is_new) {
      Vertex vertex{ImageOp{reference, platform}, kScratch, fmt::format("FROM {}", reference), place, place.line};
      graph_.vertices.push_back(std::move(vertex));
    }
    return found->second;
  }

  /// A directory of the caller's.
  int context(const std::string& name, Place place) {
    auto [found, is_new] = contexts_.try_emplace(name, static_cast<int>(graph_.vertices.size()));
    if (is_new)
      graph_.vertices.push_back({ContextOp{name}, kScratch, fmt::format("context {}", name), place, place.line});
    return found->second;
  }

  /// What --from names: a context, a stage before this one, or an image.
  int source(const std::string& name, std::size_t number, Place place) {
    if (const auto named = request_.contexts.find(name); named != request_.contexts.end()) {
      if (named->second.empty()) return context(name, place);
      (void)find_config_({named->second, ""});
      return image(named->second, "", place);
    }
    const std::size_t stage = file_.find_stage(name, number);
    if (stage != std::string::npos) {
      if (this->stage(stage).vertex() == kScratch) throw Mistake(place, fmt::format("stage '{}' has no files", name));
      return this->stage(stage).vertex();
    }
    if (file_.find_stage(name, file_.stages.size()) != std::string::npos) {
      throw Mistake(
          place, fmt::format("stage '{}' comes later, or is this one: only earlier stages have files to give", name));
    }
    if (is_number(name)) throw Mistake(place, fmt::format("invalid from flag value {}: there is no such stage", name));
    (void)find_config_({name, ""});
    return image(name, "", place);
  }

  void apply(StageState& state, std::size_t number, const Instruction& instruction) {
    if (graph_.vertices.size() > kMostVertices) throw Mistake(instruction.place, "too many steps");
    const FindSource find = [&](const std::string& name) {
      return name.empty() ? kScratch : source(name, number, instruction.place);
    };
    try {
      state.apply(instruction, graph_, find);
    } catch (const Mistake&) {
      throw;
    } catch (const InvalidInput& error) {
      throw Mistake(instruction.place, error.what(), error.hint());
    }
    if (const auto* const arg = std::get_if<Arg>(&instruction.action)) {
      for (const Arg::Variable& variable : arg->variables) take(variable, state, number);
    }
  }

  void take(const Arg::Variable& variable, const StageState& state, std::size_t number) {
    const std::string& name = variable.name;
    used_.insert(name);
    if (!variable.value && !arguments_.given.contains(name) && arguments_.global.contains(name))
      return take_globals({name}, number);
    graph_.arguments.push_back({name, state.argument(name).value_or(""), variable.place, number});
  }

  /// With what they need themselves.
  void take_globals(std::set<std::string> names, std::size_t number) {
    while (!names.empty()) {
      const std::string name = std::move(names.extract(names.begin()).value());
      const auto global = globals_.find(name);
      if (global == globals_.end()) continue;  // a predefined one
      const auto [taken, is_new] = taken_.try_emplace(name, number);
      taken->second = std::max(taken->second, number);
      if (is_new) names.insert(global->second.needs.begin(), global->second.needs.end());
    }
  }

  /// In front: of one stage's, its own counts.
  void add_globals() {
    std::vector<TakenArgument> found;
    for (const auto& [name, number] : taken_) {
      const auto value = arguments_.global.find(name);
      found.push_back({name, value == arguments_.global.end() ? "" : value->second, globals_.at(name).place, number});
    }
    graph_.arguments.insert(graph_.arguments.begin(), found.begin(), found.end());
  }

  void warn_of_unused_arguments() {
    std::string names;
    for (const auto& [name, value] : request_.build_args) {
      const bool known = std::ranges::any_of(file_.stages, [&](const Stage& stage) { return declares(stage, name); });
      const bool ours = is_proxy(name) || name.starts_with("BUILDKIT_");
      if (!used_.contains(name) && !known && !ours) names += (names.empty() ? "" : " ") + name;
    }
    if (!names.empty())
      graph_.warnings.push_back({"", fmt::format("One or more build-args [{}] were not consumed", names)});
  }

  static bool declares(const Stage& stage, const std::string& name) {
    return std::ranges::any_of(stage.instructions, [&](const Instruction& instruction) {
      const auto* const arg = std::get_if<Arg>(&instruction.action);
      return arg != nullptr && std::ranges::find(arg->variables, name, &Arg::Variable::name) != arg->variables.end();
    });
  }

  const Dockerfile& file_;
  const GraphRequest& request_;
  const FindConfig& find_config_;
  Arguments arguments_;
  struct Global {
    Place place;
    std::set<std::string> needs;  ///< Variables in its definitions.
  };
  std::map<std::string, Global> globals_;     ///< Those of the file.
  std::map<std::string, std::size_t> taken_;  ///< Which of them are needed, and the last stage that needs each.
  std::vector<std::optional<StageState>> done_;
  std::map<std::pair<std::string, std::string>, int> images_;
  std::map<std::string, int> contexts_;
  std::set<std::string> used_;
  Graph graph_;
};

Json define(const ImageOp& op) { return {{"op", "image"}, {"reference", op.reference}, {"platform", op.platform}}; }

Json define(const ContextOp& op) { return {{"op", "context"}, {"name", op.name}}; }

Json define(const FetchOp& op) {
  return {{"op", "fetch"}, {"url", op.url}, {"checksum", op.checksum}, {"keep_git_dir", op.keep_git_dir}};
}

Json define(const RunOp& op) {
  Json mounts = Json::array();
  for (const StepMount& mount : op.mounts) mounts.push_back(to_json(mount));
  Json json = {{"op", "run"},     {"argv", op.argv},       {"env", op.env},   {"directory", op.directory},
               {"user", op.user}, {"network", op.network}, {"mounts", mounts}};
  if (!op.script.empty()) json["script"] = op.script;
  return json;
}

Json define(const CopyOp& op) {
  Json json = {{"op", op.add ? "add" : "copy"},
               {"sources", op.sources},
               {"destination", op.destination},
               {"from", op.source < 0 ? "context" : "vertex"}};
  for (const Heredoc& file : op.files) json["files"].push_back({{"name", file.name}, {"content", file.content}});
  const auto add = [&](const char* key, const auto& value) {
    if (value != std::decay_t<decltype(value)>{}) json[key] = value;
  };
  add("chown", op.chown);
  add("chmod", op.chmod);
  add("excludes", op.excludes);
  add("link", op.link);
  add("parents", op.parents);
  if (op.unpack) json["unpack"] = *op.unpack;
  return json;
}

Json define(const DirectoryOp& op) { return {{"op", "directory"}, {"path", op.path}, {"user", op.user}}; }

}  // namespace

std::vector<int> Vertex::inputs() const {
  std::vector<int> found;
  const auto add = [&](int vertex) {
    if (vertex != kScratch) found.push_back(vertex);
  };
  add(parent);
  if (const auto* const copy = std::get_if<CopyOp>(&op)) {
    add(copy->source);
    for (const int vertex : copy->fetched) add(vertex);
  }
  if (const auto* const run = std::get_if<RunOp>(&op)) {
    for (const StepMount& mount : run->mounts) add(mount.input);
  }
  return found;
}

Graph make_graph(const Dockerfile& file, const GraphRequest& request, const FindConfig& find_config) {
  return GraphMaker(file, request, find_config).run();
}

Json definition(const Op& op) {
  return std::visit([](const auto& one) { return define(one); }, op);
}

}  // namespace sandbox::build
