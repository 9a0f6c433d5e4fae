// A stranger's JSON document, read value by value: every access checks the type and range, and every error names the
// place ("config.json: process.args[1] is not a string"). A null counts as absent, as in the writers' language.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox::oci {

class Value {
 public:
  /// `json` is borrowed. `what` names the document and outlives the value.
  Value(const Json& json, std::string_view what, std::string path = {})
      : json_(&json), what_(what), path_(std::move(path)) {}

  const Json& json() const { return *json_; }
  [[noreturn]] void fail(std::string_view problem) const;

  /// The member of an object; none when it is absent or null.
  std::optional<Value> find(const char* key) const;
  Value at(const char* key) const;                             ///< Throws when absent.
  std::vector<Value> items() const;                            ///< Of a list.
  std::vector<std::pair<std::string, Value>> members() const;  ///< Of an object.

  std::string text() const;  ///< Without NUL bytes, which no kernel interface could take.
  bool boolean() const;
  template <class T>
  T integer() const {
    if (json_->is_number_unsigned()) {
      const auto value = json_->get<std::uint64_t>();
      if (std::in_range<T>(value)) return static_cast<T>(value);
    } else if (json_->is_number_integer()) {
      const auto value = json_->get<std::int64_t>();
      if (std::in_range<T>(value)) return static_cast<T>(value);
    } else {
      fail("is not an integer");
    }
    fail("is out of range");
  }

  // Members with a default for absent ones.
  std::string text(const char* key, std::string_view otherwise = {}) const;
  bool boolean(const char* key, bool otherwise = false) const;
  std::vector<std::string> texts(const char* key) const;
  std::vector<Value> items(const char* key) const;
  template <class T>
  std::optional<T> integer(const char* key) const {
    const auto member = find(key);
    return member ? std::optional<T>(member->integer<T>()) : std::nullopt;
  }
  template <class T>
  std::vector<T> integers(const char* key) const {
    std::vector<T> list;
    for (const Value& item : items(key)) list.push_back(item.integer<T>());
    return list;
  }

 private:
  const Json* json_;
  std::string_view what_;
  std::string path_;
};

}  // namespace sandbox::oci
