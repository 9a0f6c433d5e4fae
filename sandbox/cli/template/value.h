// What templates compute with: values of Go's as far as JSON can hold them, or none. Go's types are known from JSON's,
// but for what TypedMember tells.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sandbox/base/json.h"

namespace sandbox::cli::templates {

/// What a template may see as its dot without that being made first: the fields of a listing's row.
class Record {
 public:
  virtual ~Record() = default;
  /// How many arguments the method `name` takes: none, or one string. No value: there is no such method.
  virtual std::optional<std::size_t> parameters(std::string_view name) const = 0;
  /// Its answer. `argument` is empty where there is none.
  virtual OrderedJson call(std::string_view name, const std::string& argument) const = 0;
  /// All that take none, for the function `json`.
  virtual OrderedJson all() const = 0;
  virtual std::string_view type() const = 0;  ///< Go's, for errors: "*formatter.ContainerContext".
};

/// Members of Docker's structures that are something else in Go. Of a map one may ask for what it doesn't have.
enum class GoType { plain, map, map_of_strings, list };
struct TypedMember {
  std::string_view name;
  GoType type;
};

class Value {
 public:
  Value() = default;  ///< None.
  explicit Value(OrderedJson own) : json_(std::make_shared<const OrderedJson>(std::move(own))) {}
  explicit Value(const Record& record) : record_(&record) {}
  /// Without a copy: `document` outlives the value and all that is taken out of it.
  static Value of(const OrderedJson& document) {
    return Value(std::shared_ptr<const OrderedJson>(std::shared_ptr<void>(), &document), GoType::plain, false);
  }
  /// A member or element of this one, which an interface{} holds.
  Value inner(const OrderedJson& part, GoType type = GoType::plain) const {
    return Value(std::shared_ptr<const OrderedJson>(json_, &part), type, true);
  }
  /// The same out of its interface{}.
  Value unboxed() const {
    Value same = *this;
    same.boxed_ = false;
    return same;
  }

  bool none() const { return json_ == nullptr && record_ == nullptr; }
  const OrderedJson* json() const { return json_.get(); }  ///< nullptr: none, or a record.
  const Record* record() const { return record_; }
  GoType type() const { return type_; }
  bool boxed() const { return boxed_; }

  bool is_null() const { return json_ != nullptr && json_->is_null(); }
  bool is_text() const { return json_ != nullptr && json_->is_string(); }
  bool is_integer() const { return json_ != nullptr && json_->is_number_integer(); }
  const std::string& text() const { return json_->get_ref<const std::string&>(); }  ///< Precondition: is_text().

  bool truth() const;              ///< Not the zero of its type.
  std::string type_name() const;   ///< Go's: "string", "map[string]interface {}". Precondition: not none.

 private:
  Value(std::shared_ptr<const OrderedJson> json, GoType type, bool boxed)
      : json_(std::move(json)), type_(type), boxed_(boxed) {}

  std::shared_ptr<const OrderedJson> json_;
  const Record* record_ = nullptr;
  GoType type_ = GoType::plain;
  bool boxed_ = false;
};

/// As fmt.Print prints it.
std::string printed(const Value& value);
std::string printed(const OrderedJson& json);
/// As fmt.Sprint: spaces between operands when neither is a string.
std::string printed_together(std::span<const Value> values);
/// As fmt.Sprintf. Throws InvalidInput when the text would be longer than `limit` bytes.
std::string printed_by(std::string_view format, std::span<const Value> values, std::size_t limit);
/// A floating point number with one of the verbs e, E, f, F, g, G; precision -1: as many digits as it takes.
std::string printed_float(double number, char verb, int precision);

/// The members of an object by name, as Go goes through a map.
std::vector<OrderedJson::const_iterator> sorted_members(const OrderedJson& object);

}  // namespace sandbox::cli::templates
