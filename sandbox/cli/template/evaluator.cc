// Walks a tree and writes what it says: the rules and the messages of Go's text/template/exec.go. Pure.
#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/functions.h"
#include "sandbox/cli/template/template.h"

namespace sandbox::cli::templates {
namespace {

constexpr std::size_t kMostSteps = 1'000'000, kMostBytes = 16U << 20, kMostCalls = 200;

enum class Flow { on, break_, continue_ };

class Evaluator {
 public:
  Evaluator(const Tree& tree, const Options& options, std::string& output)
      : tree_(tree), options_(options), output_(output), name_(tree.name) {}

  void run(const Value& dot) {
    variables_.emplace_back("$", dot);
    walk(dot, *tree_.definitions.at(tree_.name));
  }

 private:
  // --- Errors and bounds
  // ----------------------------------------------------------------------------------------------

  [[noreturn]] void fail(const std::string& reason) const {
    throw InvalidInput(fmt::format("template: {}: executing {} at <{}>: {}", location(tree_, node_->position),
                                   go_quoted(name_), written(*node_), reason));
  }
  void at(const Node& node) {
    node_ = &node;
    if (++steps_ > kMostSteps) fail("too much work");
  }
  /// Counts what is made, not what is alive: enough to end a text that grows.
  void charge(std::size_t bytes) {
    if (bytes > kMostBytes - bytes_) fail("the output is too long");
    bytes_ += bytes;
  }

  // --- Control
  // --------------------------------------------------------------------------------------------------------

  Flow walk(const Value& dot, const Node& node) {
    at(node);
    switch (node.kind) {
      case NodeKind::list:
        for (const auto& child : node.children) {
          if (const Flow flow = walk(dot, *child); flow != Flow::on) return flow;
        }
        return Flow::on;
      case NodeKind::text:
        write(node.text);
        return Flow::on;
      case NodeKind::action:
        action(dot, node);
        return Flow::on;
      case NodeKind::if_:
      case NodeKind::with:
        return branch(dot, node);
      case NodeKind::range:
        return range(dot, node);
      case NodeKind::call_template:
        call_template(dot, node);
        return Flow::on;
      case NodeKind::break_:
        return Flow::break_;
      default:
        return Flow::continue_;
    }
  }

  void write(const std::string& text) {
    charge(text.size());
    output_ += text;
  }

  void action(const Value& dot, const Node& node) {
    const Value value = pipeline(dot, *node.pipe);
    if (!node.pipe->variables.empty()) return;
    at(node);
    std::string text = value.is_null() && options_.types.empty() ? "<no value>" : printed(value);
    write(options_.shown != nullptr ? options_.shown(text) : text);
  }

  Flow branch(const Value& dot, const Node& node) {
    const std::size_t mark = variables_.size();
    const Value value = pipeline(dot, *node.pipe);
    Flow flow = Flow::on;
    if (value.truth())
      flow = walk(node.kind == NodeKind::with ? value : dot, *node.body);
    else if (node.otherwise)
      flow = walk(dot, *node.otherwise);
    variables_.resize(mark);
    return flow;
  }

  Flow range(const Value& dot, const Node& node) {
    const std::size_t outer = variables_.size();
    const Value value = pipeline(dot, *node.pipe);
    const std::size_t mark = variables_.size();
    bool any = false;
    Flow flow = Flow::on;
    /// Returns false when the loop is left.
    const auto step = [&](const Value& key, const Value& element) {
      any = true;
      set_loop_variables(*node.pipe, key, element);
      flow = walk(element, *node.body);
      variables_.resize(mark);
      return flow != Flow::break_;
    };
    each(value, step);
    if (!any && node.otherwise) {
      const Flow other = walk(dot, *node.otherwise);
      variables_.resize(outer);
      return other;
    }
    variables_.resize(outer);
    return Flow::on;
  }

  /// "$x": the element; "$k, $x": its key, too. Changed with "=", else those that the pipeline has declared: the last.
  void set_loop_variables(const Node& pipe, const Value& key, const Value& element) {
    const auto& names = pipe.variables;
    if (names.empty()) return;
    if (names.size() > 1) find_variable(names.front()->names[0]).second = key;
    find_variable(names.back()->names[0]).second = element;
  }

  template <class Step>
  void each(const Value& value, const Step& step) {
    if (value.none() || value.is_null()) return;
    const OrderedJson* json = value.json();
    if (json != nullptr && json->is_array()) {
      for (std::size_t i = 0; i < json->size(); ++i) {
        if (!step(number(i), value.inner((*json)[i]))) return;
      }
    } else if (json != nullptr && json->is_object()) {
      for (const auto& member : sorted_members(*json)) {
        if (!step(Value(OrderedJson(member.key())), value.inner(*member))) return;
      }
    } else if (value.is_integer()) {
      const auto count = json->get<std::int64_t>();
      for (std::int64_t i = 0; i < count; ++i) {
        if (!step(Value(OrderedJson(i)), Value(OrderedJson(i)))) return;
      }
    } else {
      fail(fmt::format("range can't iterate over {}", printed(value)));
    }
  }

  static Value number(std::size_t value) { return Value(OrderedJson(static_cast<std::int64_t>(value))); }

  void call_template(const Value& dot, const Node& node) {
    const auto found = tree_.definitions.find(node.text);
    if (found == tree_.definitions.end() || !found->second)
      fail(fmt::format("template {} not defined", go_quoted(node.text)));
    if (calls_ == kMostCalls) fail(fmt::format("exceeded maximum template depth ({})", kMostCalls));
    const Value inner = node.pipe ? pipeline(dot, *node.pipe) : Value();
    std::vector<std::pair<std::string, Value>> outer{{"$", inner}};
    std::swap(outer, variables_);
    const std::string name = std::exchange(name_, node.text);
    ++calls_;
    walk(inner, *found->second);
    --calls_;
    name_ = name;
    variables_ = std::move(outer);
  }

  // --- Values
  // ---------------------------------------------------------------------------------------------------------

  /// What follows a command's first word, and what the command before it in the pipeline gives.
  struct Arguments {
    std::span<const std::unique_ptr<Node>> words;  ///< Without the first.
    const Value* last = nullptr;
    std::size_t count() const { return words.size() + (last != nullptr ? 1 : 0); }
  };

  Value pipeline(const Value& dot, const Node& pipe) {
    at(pipe);
    Value value;
    for (std::size_t i = 0; i < pipe.children.size(); ++i) {
      const Value before = value;
      value = command(dot, *pipe.children[i], i > 0 ? &before : nullptr).unboxed();
      if (value.is_null() && options_.types.empty()) value = Value();  // an interface{} that holds nil
    }
    for (const auto& variable : pipe.variables) {
      const std::string& name = variable->names[0];
      if (!pipe.assigns) {
        variables_.emplace_back(name, value);
      } else {
        find_variable(name).second = value;
      }
    }
    return value;
  }

  std::pair<std::string, Value>& find_variable(const std::string& name) {
    const auto found =
        std::ranges::find(variables_.rbegin(), variables_.rend(), name, [](const auto& one) { return one.first; });
    if (found == variables_.rend()) fail(fmt::format("undefined variable: {}", name));
    return *found;
  }

  void refuse_arguments(const Node& word, const Arguments& arguments) const {
    if (arguments.count() > 0) fail(fmt::format("can't give argument to non-function {}", written(word)));
  }

  Value command(const Value& dot, const Node& node, const Value* last) {
    const Node& first = *node.children[0];
    const Arguments arguments{std::span(node.children).subspan(1), last};
    switch (first.kind) {
      case NodeKind::field:
      case NodeKind::chain:
      case NodeKind::variable:
        return fields(dot, first, arguments);
      case NodeKind::identifier:
        return call(dot, first, node, arguments);
      case NodeKind::pipe:
        refuse_arguments(first, arguments);
        return pipeline(dot, first);
      default:
        break;
    }
    at(first);
    refuse_arguments(first, arguments);
    if (first.kind == NodeKind::dot) return dot;
    if (first.kind == NodeKind::nil) fail("nil is not a command");
    return literal(first);
  }

  /// .X.Y, $x.Y or (pipe).Y: the last one may be a method and gets the arguments.
  Value fields(const Value& dot, const Node& node, const Arguments& arguments) {
    at(node);
    Value receiver = dot;
    std::size_t first = 0;
    if (node.kind == NodeKind::variable) {
      receiver = find_variable(node.names[0]).second;
      first = 1;
      if (node.names.size() == 1) refuse_arguments(node, arguments);
    } else if (node.kind == NodeKind::chain) {
      if (node.children[0]->kind == NodeKind::nil)
        fail(fmt::format("indirection through explicit nil in {}", written(node)));
      receiver = word(dot, *node.children[0]);
    }
    for (std::size_t i = first; i < node.names.size(); ++i) {
      receiver = field(dot, node, node.names[i], i + 1 == node.names.size() ? arguments : Arguments(), receiver);
    }
    return receiver;
  }

  Value field(const Value& dot, const Node& node, const std::string& name, const Arguments& arguments,
              const Value& receiver) {
    if (receiver.record() != nullptr) return method(dot, node, name, arguments, *receiver.record());
    if (receiver.none()) {
      if (options_.missing_is_error) fail(fmt::format("nil data; no entry for key {}", go_quoted(name)));
      return {};
    }
    if (receiver.is_null()) fail(fmt::format("nil pointer evaluating interface {{}}.{}", name));
    const OrderedJson& json = *receiver.json();
    if (!json.is_object()) fail(fmt::format("can't evaluate field {} in type {}", name, receiver.type_name()));
    if (arguments.count() > 0) fail(fmt::format("{} is not a method but has arguments", name));
    const auto member = json.find(name);
    if (member != json.end())
      return receiver.inner(*member, receiver.type() == GoType::plain ? type_of(name) : GoType::plain);
    if (options_.missing_is_error && receiver.type() == GoType::plain)
      fail(fmt::format("map has no entry for key {}", go_quoted(name)));
    return {};
  }

  GoType type_of(std::string_view name) const {
    const auto found = std::ranges::find(options_.types, name, &TypedMember::name);
    return found == options_.types.end() ? GoType::plain : found->type;
  }

  Value method(const Value& dot, const Node& node, const std::string& name, const Arguments& arguments,
               const Record& record) {
    const auto wanted = record.parameters(name);
    if (!wanted) fail(fmt::format("can't evaluate field {} in type {}", name, record.type()));
    const std::size_t given = arguments.count();
    if (given != *wanted) fail(fmt::format("wrong number of args for {}: want {} got {}", name, *wanted, given));
    std::string text;
    if (given == 1) {
      const Node* word_node = arguments.words.empty() ? nullptr : arguments.words[0].get();
      text = argument_of_type('s', word_node != nullptr ? word(dot, *word_node) : *arguments.last, word_node).text();
    }
    at(node);
    OrderedJson answer = record.call(name, text);
    charge(answer.is_string() ? answer.get_ref<const std::string&>().size() : 64);
    return Value(std::move(answer));
  }

  /// A word that is an argument.
  Value word(const Value& dot, const Node& node) {
    at(node);
    switch (node.kind) {
      case NodeKind::dot:
        return dot;
      case NodeKind::nil:
        return {};
      case NodeKind::field:
      case NodeKind::variable:
      case NodeKind::chain:
        return fields(dot, node, {});
      case NodeKind::pipe:
        return pipeline(dot, node);
      case NodeKind::identifier:
        return call(dot, node, node, {});
      default:
        return literal(node);
    }
  }

  Value literal(const Node& node) const {
    if (node.value.is_number_unsigned()) fail(fmt::format("{} overflows int", node.text));
    return Value(node.value);
  }

  // --- Functions
  // ------------------------------------------------------------------------------------------------------

  static char parameter(std::string_view parameters, std::size_t index) {
    const std::size_t star = parameters.find('*');
    return index < std::min(star, parameters.size()) ? parameters[index] : 'v';
  }

  /// `literal`: the word that it was written as, if it was.
  Value argument_of_type(char type, const Value& value, const Node* literal) const {
    if (type == 'v') return value;
    const char* expected = type == 's' ? "string" : type == 'i' ? "int" : "[]string";
    if (literal != nullptr && literal->kind == NodeKind::nil) fail(fmt::format("cannot assign nil to {}", expected));
    const bool is_literal =
        literal != nullptr &&
        (literal->kind == NodeKind::number || literal->kind == NodeKind::quoted || literal->kind == NodeKind::boolean);
    if (value.none() && type == 'l') return value;
    if (value.none()) fail(fmt::format("invalid value; expected {}", expected));
    const bool right = type == 's'   ? value.is_text()
                       : type == 'i' ? value.is_integer()
                                     : (value.is_null() && value.type() == GoType::list) || is_list_of_strings(value);
    if (right) return value;
    if (is_literal && type != 'l')
      fail(fmt::format("expected {}; found {}", type == 's' ? "string" : "integer", written(*literal)));
    fail(fmt::format("wrong type for value; expected {}; got {}", expected, value.unboxed().type_name()));
  }

  static bool is_list_of_strings(const Value& value) {
    return value.json() != nullptr && value.json()->is_array() &&
           std::ranges::all_of(*value.json(), [](const OrderedJson& element) { return element.is_string(); });
  }

  Value call(const Value& dot, const Node& identifier, const Node& whole, const Arguments& arguments) {
    at(identifier);
    const Function& function = *find_function(identifier.text);
    check_count(function, arguments);
    if (function.call == nullptr) return first_decisive(dot, arguments, function.name == "or");
    if (options_.header && function.changes_words) {
      return arguments.words.empty() ? *arguments.last : word(dot, *arguments.words[0]);
    }
    std::vector<Value> values;
    for (const auto& node : arguments.words) {
      const Value value = word(dot, *node);
      values.push_back(argument_of_type(parameter(function.parameters, values.size()), value, node.get()));
    }
    if (arguments.last != nullptr) {
      values.push_back(argument_of_type(parameter(function.parameters, values.size()), *arguments.last, nullptr));
    }
    Value result;
    try {
      result = function.call(values, kMostBytes - bytes_);
    } catch (const InvalidInput& error) {
      at(whole);
      fail(fmt::format("error calling {}: {}", function.name, error.what()));
    }
    if (result.is_text()) charge(result.text().size());
    return result;
  }

  void check_count(const Function& function, const Arguments& arguments) const {
    const std::size_t star = function.parameters.find('*');
    const std::size_t least = std::min(star, function.parameters.size()), count = arguments.count();
    if (star == std::string_view::npos ? count == least : count >= least) return;
    fail(fmt::format("wrong number of args for {}: want {}{} got {}", function.name,
                     star == std::string_view::npos ? "" : "at least ", least,
                     star == std::string_view::npos ? count : arguments.words.size()));
  }

  /// The first argument that is true (`or`) or false (`and`), else the last; the rest is not looked at.
  Value first_decisive(const Value& dot, const Arguments& arguments, bool decisive) {
    Value value;
    for (const auto& node : arguments.words) {
      value = word(dot, *node);
      if (value.truth() == decisive) return value;
    }
    return arguments.last != nullptr ? *arguments.last : value;
  }

  const Tree& tree_;
  const Options& options_;
  std::string& output_;
  std::string name_;  ///< Of the template that is being executed.
  const Node* node_ = nullptr;
  std::size_t steps_ = 0, bytes_ = 0, calls_ = 0;
  std::vector<std::pair<std::string, Value>> variables_;
};

}  // namespace

void Template::execute_into(std::string& output, const Value& dot, const Options& options) const {
  Evaluator(tree_, options, output).run(dot);
}

std::string Template::execute(const Value& dot, const Options& options) const {
  std::string output;
  execute_into(output, dot, options);
  return output;
}

}  // namespace sandbox::cli::templates
