#include "sandbox/oci/document.h"

namespace sandbox::oci {

void Value::fail(std::string_view problem) const {
  throw InvalidInput(path_.empty() ? fmt::format("{} {}", what_, problem)
                                   : fmt::format("{}: {} {}", what_, path_, problem));
}

std::optional<Value> Value::find(const char* key) const {
  if (!json_->is_object()) fail("is not an object");
  const auto found = json_->find(key);
  if (found == json_->end() || found->is_null()) return std::nullopt;
  return Value(*found, what_, path_.empty() ? key : fmt::format("{}.{}", path_, key));
}

Value Value::at(const char* key) const {
  if (auto member = find(key)) return std::move(*member);
  fail(fmt::format("has no '{}'", key));
}

std::vector<Value> Value::items() const {
  if (!json_->is_array()) fail("is not a list");
  std::vector<Value> list;
  for (const Json& item : *json_) list.emplace_back(item, what_, fmt::format("{}[{}]", path_, list.size()));
  return list;
}

std::vector<std::pair<std::string, Value>> Value::members() const {
  if (!json_->is_object()) fail("is not an object");
  std::vector<std::pair<std::string, Value>> list;
  for (const auto& [key, value] : json_->items()) {
    if (key.find('\0') != std::string::npos) fail("has a member whose name contains a NUL byte");
    list.emplace_back(key, Value(value, what_, fmt::format("{}.{}", path_, key)));
  }
  return list;
}

std::string Value::text() const {
  if (!json_->is_string()) fail("is not a string");
  const auto& value = json_->get_ref<const std::string&>();
  if (value.find('\0') != std::string::npos) fail("contains a NUL byte");
  return value;
}

bool Value::boolean() const {
  if (!json_->is_boolean()) fail("is not true or false");
  return json_->get<bool>();
}

std::string Value::text(const char* key, std::string_view otherwise) const {
  const auto member = find(key);
  return member ? member->text() : std::string(otherwise);
}

bool Value::boolean(const char* key, bool otherwise) const {
  const auto member = find(key);
  return member ? member->boolean() : otherwise;
}

std::vector<Value> Value::items(const char* key) const {
  const auto member = find(key);
  return member ? member->items() : std::vector<Value>();
}

std::vector<std::string> Value::texts(const char* key) const {
  std::vector<std::string> list;
  for (const Value& item : items(key)) list.push_back(item.text());
  return list;
}

}  // namespace sandbox::oci
