// See yaml.h. libyaml (pyyaml.org/wiki/LibYAML) tells events, one after the other: aliases are nothing that it expands.
#include "sandbox/base/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sandbox/base/json_builder.h"
#include "sandbox/base/shared_library.h"

namespace sandbox {
namespace {

struct YamlLibrary {
  decltype(&::yaml_parser_initialize) initialize;
  decltype(&::yaml_parser_set_input_string) set_input_string;
  decltype(&::yaml_parser_parse) parse;
  decltype(&::yaml_parser_delete) delete_parser;
  decltype(&::yaml_event_delete) delete_event;
};

YamlLibrary load() {
  const SharedLibrary library("libyaml-0.so.2", "install it with: apt install libyaml-0-2");
  YamlLibrary table{};
  library.resolve("yaml_parser_initialize", table.initialize);
  library.resolve("yaml_parser_set_input_string", table.set_input_string);
  library.resolve("yaml_parser_parse", table.parse);
  library.resolve("yaml_parser_delete", table.delete_parser);
  library.resolve("yaml_event_delete", table.delete_event);
  return table;
}

const YamlLibrary& yaml_library() {
  static const YamlLibrary table = load();
  return table;
}

/// The events of a text.
class Events {
 public:
  Events(std::string_view text, std::string_view what) : what_(what) {
    if (yaml_library().initialize(&parser_) == 0) throw Error("out of memory");
    yaml_library().set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events() {
    yaml_library().delete_event(&event_);
    yaml_library().delete_parser(&parser_);
  }

  /// The last one is YAML_STREAM_END_EVENT.
  const yaml_event_t& next() {
    yaml_library().delete_event(&event_);
    if (yaml_library().parse(&parser_, &event_) == 0)
      fail(parser_.problem_mark, parser_.problem != nullptr ? parser_.problem : "out of memory");
    return event_;
  }

  [[noreturn]] void fail(std::string_view reason) const { fail(event_.start_mark, reason); }

 private:
  [[noreturn]] void fail(const yaml_mark_t& mark, std::string_view reason) const {
    throw InvalidInput(fmt::format("{}: not valid YAML: line {}: {}", what_, mark.line + 1, reason));
  }

  std::string_view what_;
  yaml_parser_t parser_{};
  yaml_event_t event_{};
};

/// Tells the builder what the events say.
class Reader {
 public:
  Reader(Events& events, JsonBuilder& builder) : events_(events), builder_(builder) {}

  /// False: that was the last one.
  bool take(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_STREAM_END_EVENT:
        return false;
      case YAML_DOCUMENT_START_EVENT:
        if (++documents_ > 1) events_.fail("a second document");
        return true;
      case YAML_ALIAS_EVENT:
        events_.fail("an alias, and what stands elsewhere is not repeated here");
      case YAML_SCALAR_EVENT:
        take_scalar(event.data.scalar);
        return true;
      case YAML_SEQUENCE_START_EVENT:
        begin(event.data.sequence_start.tag, Next::element);
        return builder_.start_array(0);
      case YAML_MAPPING_START_EVENT:
        begin(event.data.mapping_start.tag, Next::key);
        return builder_.start_object(0);
      case YAML_SEQUENCE_END_EVENT:
        next_.pop_back();
        return builder_.end_array();
      case YAML_MAPPING_END_EVENT:
        next_.pop_back();
        return builder_.end_object();
      default:
        return true;
    }
  }

 private:
  enum class Next { element, key, value };  ///< What comes in a list or an object.

  void refuse_tag(const unsigned char* tag) const {
    if (tag != nullptr) events_.fail("a tag, which has no meaning here");
  }

  void begin(const unsigned char* tag, Next next) {
    refuse_tag(tag);
    if (is_key()) events_.fail("a key that is no text");
    next_.push_back(next);
  }

  template <class Scalar>
  void take_scalar(const Scalar& scalar) {
    refuse_tag(scalar.tag);
    std::string text(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (is_key()) {
      builder_.key(text);
      return;
    }
    constexpr std::string_view nulls[] = {"", "~", "null", "Null", "NULL"};  // YAML 1.2, core schema
    const bool is_plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (is_plain && std::ranges::find(nulls, text) != std::end(nulls))
      builder_.null();
    else
      builder_.string(text);
  }

  /// Whether what comes now is the key of a member; the next one is its value then.
  bool is_key() {
    if (next_.empty() || next_.back() == Next::element) return false;
    const bool is = next_.back() == Next::key;
    next_.back() = is ? Next::value : Next::key;
    return is;
  }

  Events& events_;
  JsonBuilder& builder_;
  std::vector<Next> next_;
  int documents_ = 0;
};

}  // namespace

Json parse_yaml(std::string_view text, std::string_view what) {
  Events events(text, what);
  JsonBuilder builder(what);
  Reader reader(events, builder);
  while (reader.take(events.next())) {
  }
  return builder.take();
}

}  // namespace sandbox
