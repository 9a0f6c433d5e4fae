// See outline.h.
#include "sandbox/build/outline.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "sandbox/base/base64.h"
#include "sandbox/base/json.h"

namespace sandbox::build {
namespace {

const Node* node_at(const Tree& tree, std::size_t line) {
  const auto behind = std::ranges::upper_bound(tree.nodes, line, {}, [](const Node& node) { return node.place.line; });
  if (behind == tree.nodes.begin() || line > std::prev(behind)->last_line) return nullptr;
  return &*std::prev(behind);
}

/// Of what the node at this line defines as `name`.
std::string description_of(const Tree& tree, std::size_t line, const std::string& name) {
  const Node* const node = node_at(tree, line);
  if (node == nullptr || name.empty()) return {};
  for (const std::string& comment : node->comments) {
    if (comment.starts_with(name + " ")) return comment.substr(name.size() + 1);
  }
  return {};
}

std::size_t number_of(const Dockerfile& file, std::string_view target) {
  const std::size_t last = file.stages.size() - 1;
  return target.empty() ? last : std::min(file.find_stage(target, file.stages.size()), last);
}

/// One of each name. A stage that comes later is nearer to the target, and of one stage's the last definition counts.
std::vector<Outline::Argument> arguments_of(const Tree& tree, const Graph& graph) {
  std::map<std::string_view, const TakenArgument*> taken;
  for (const TakenArgument& one : graph.arguments) {
    const TakenArgument*& known = taken[one.name];
    if (known == nullptr || one.stage >= known->stage) known = &one;
  }
  std::vector<Outline::Argument> arguments;
  for (const auto& [name, one] : taken) {
    const Node* const node = node_at(tree, one->place.line);
    const LineRange lines =
        node == nullptr ? LineRange{one->place.line, one->place.line} : LineRange{node->place.line, node->last_line};
    arguments.push_back({one->name, one->value, description_of(tree, one->place.line, one->name), lines});
  }
  std::ranges::stable_sort(arguments, {}, [](const auto& one) { return one.lines.first; });
  return arguments;
}

/// Mounts of this type. What one step must have, the build must have.
std::vector<Outline::Need> needs_of(const Graph& graph, StepMountType type) {
  std::vector<Outline::Need> needs;
  for (const Vertex& vertex : graph.vertices) {
    const auto* const run = std::get_if<RunOp>(&vertex.op);
    if (run == nullptr) continue;
    for (const StepMount& mount : run->mounts) {
      if (mount.type != type) continue;
      auto known = std::ranges::find(needs, mount.id, &Outline::Need::id);
      if (known == needs.end()) known = needs.insert(known, {mount.id, false, {vertex.place.line, vertex.last_line}});
      known->required = known->required || mount.required;
    }
  }
  std::ranges::stable_sort(needs, {}, [](const auto& one) { return one.lines.first; });
  return needs;
}

OrderedJson location_json(const LineRange& lines) {
  const OrderedJson range = {{"start", {{"line", lines.first}}}, {"end", {{"line", lines.last}}}};
  return {{"ranges", OrderedJson::array({range})}};
}

/// BuildKit leaves out what is empty.
void add(OrderedJson& json, const char* key, const std::string& value) {
  if (!value.empty()) json[key] = value;
}

OrderedJson needs_json(const std::vector<Outline::Need>& needs) {
  OrderedJson list = OrderedJson::array();
  for (const Outline::Need& need : needs) {
    OrderedJson json = {{"name", need.id}};
    if (need.required) json["required"] = true;
    json["location"] = location_json(need.lines);
    list.push_back(std::move(json));
  }
  return list;
}

OrderedJson sources_json(std::string_view text) { return OrderedJson::array({base64(text)}); }

}  // namespace

std::vector<Target> targets(const Tree& tree, const Dockerfile& file) {
  std::vector<Target> found;
  for (const Stage& stage : file.stages) {
    const std::string& name = stage.base.name;
    found.push_back({name,
                     description_of(tree, stage.place.line, name),
                     stage.base.image.text,
                     stage.base.platform,
                     &stage == &file.stages.back(),
                     {stage.place.line, stage.last_line}});
  }
  return found;
}

Outline outline(const Tree& tree, const Dockerfile& file, const Graph& graph, std::string_view target) {
  const Stage& stage = file.stages[number_of(file, target)];
  return {stage.base.name, description_of(tree, stage.place.line, stage.base.name), arguments_of(tree, graph),
          needs_of(graph, StepMountType::secret), needs_of(graph, StepMountType::ssh)};
}

OrderedJson targets_document(const std::vector<Target>& targets, std::string_view text) {
  OrderedJson list = OrderedJson::array();
  for (const Target& target : targets) {
    OrderedJson json = OrderedJson::object();
    add(json, "name", target.name);
    if (target.is_default) json["default"] = true;
    add(json, "description", target.description);
    add(json, "base", target.base);
    add(json, "platform", target.platform);
    json["location"] = location_json(target.lines);
    list.push_back(std::move(json));
  }
  return {{"targets", std::move(list)}, {"sources", sources_json(text)}};
}

OrderedJson outline_document(const Outline& outline, std::string_view text) {
  OrderedJson json = OrderedJson::object(), arguments = OrderedJson::array();
  add(json, "name", outline.name);
  add(json, "description", outline.description);
  for (const Outline::Argument& argument : outline.arguments) {
    OrderedJson one = {{"name", argument.name}};
    add(one, "description", argument.description);
    add(one, "value", argument.value);
    one["location"] = location_json(argument.lines);
    arguments.push_back(std::move(one));
  }
  if (!arguments.empty()) json["args"] = std::move(arguments);
  if (!outline.secrets.empty()) json["secrets"] = needs_json(outline.secrets);
  if (!outline.agents.empty()) json["ssh"] = needs_json(outline.agents);
  json["sources"] = sources_json(text);
  return json;
}

}  // namespace sandbox::build
