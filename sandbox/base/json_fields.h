// Structures to and from JSON. One description of a structure's fields (`describe`, found beside the structure's type)
// serves both directions, so that they can't disagree. Reading is strict: every field must be there, of its type and
// in its range, since an absent list of masked paths would quietly weaken a container.
//
//     template <class A>
//     void describe(A& field, Described<Point> auto& point) { field("x", point.x); field("y", point.y); }
//
// An enumeration is written as a word of `words_of(E)`, a std::span<const char* const>, beside its type.
//
// A document that outlives the program that wrote it has a "version" (write_versioned, read_versioned). A field that
// came with version N is described with `field.since(N, "x", point.x)`: in older documents it keeps the structure's
// default, which must mean what those documents meant.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox {

/// T for reading, const T for writing.
template <class Value, class T>
concept Described = std::is_same_v<std::remove_const_t<Value>, T>;

namespace detail {
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
using TextMap = std::map<std::string, std::string>;
}  // namespace detail

struct JsonWriter {
  Json document = Json::object();

  template <class T>
  void operator()(const char* key, const T& value) {
    document[key] = encode(value);
  }

  template <class T>
  void since(int, const char* key, const T& value) {
    (*this)(key, value);
  }

  template <class T>
  static Json encode(const T& value) {
    if constexpr (std::is_same_v<T, std::string> || std::is_arithmetic_v<T> || std::is_same_v<T, detail::TextMap>) {
      return value;
    } else if constexpr (std::is_enum_v<T>) {
      return words_of(value)[static_cast<std::size_t>(value)];
    } else if constexpr (detail::IsOptional<T>::value) {
      return value ? encode(*value) : Json(nullptr);
    } else if constexpr (detail::IsVector<T>::value) {
      Json list = Json::array();
      for (const auto& element : value) list.push_back(encode(element));
      return list;
    } else {
      JsonWriter inner;
      describe(inner, value);
      return std::move(inner.document);
    }
  }
};

/// Throws InvalidInput: "<what>: field '<path>' …".
class JsonReader {
 public:
  static constexpr int newest = std::numeric_limits<int>::max();

  JsonReader(const Json& document, std::string_view what, std::string path, int version = newest)
      : document_(document), what_(what), path_(std::move(path)), version_(version) {}

  template <class T>
  void operator()(const char* key, T& value) {
    const std::string name = path_.empty() ? key : path_ + "." + key;
    const auto found = document_.find(key);
    if (found == document_.end()) fail(name, "is missing");
    decode(*found, name, value);
  }

  template <class T>
  void since(int version, const char* key, T& value) {
    if (version_ >= version || document_.contains(key)) (*this)(key, value);
  }

  template <class T>
  void decode(const Json& json, const std::string& path, T& value) const {
    if constexpr (std::is_same_v<T, std::string>) {
      value = text(json, path);
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) fail(path, "is not true or false");
      value = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      value = number<T>(json, path);
    } else if constexpr (std::is_enum_v<T>) {
      const auto words = words_of(value);
      const auto found = std::ranges::find(words, std::string_view(text(json, path)));
      if (found == words.end()) fail(path, "has an unknown value");
      value = static_cast<T>(found - words.begin());
    } else if constexpr (std::is_same_v<T, detail::TextMap>) {
      if (!json.is_object()) fail(path, "is not an object");
      for (const auto& [key, word] : json.items()) value[key] = text(word, path + "." + key);
    } else if constexpr (detail::IsOptional<T>::value) {
      if (json.is_null()) return value.reset();
      decode(json, path, value.emplace());
    } else if constexpr (detail::IsVector<T>::value) {
      if (!json.is_array()) fail(path, "is not a list");
      value.clear();
      for (const auto& element : json) decode(element, fmt::format("{}[{}]", path, value.size()), value.emplace_back());
    } else {
      if (!json.is_object()) fail(path, "is not an object");
      JsonReader inner(json, what_, path, version_);
      describe(inner, value);
    }
  }

  [[noreturn]] void fail(const std::string& path, std::string_view problem) const {
    throw InvalidInput(fmt::format("{}: field '{}' {}", what_, path, problem));
  }

 private:
  std::string text(const Json& json, const std::string& path) const {
    if (!json.is_string()) fail(path, "is not a string");
    const auto& value = json.get_ref<const std::string&>();
    if (value.find('\0') != std::string::npos) fail(path, "contains a NUL byte");
    return value;
  }

  template <class T>
  T number(const Json& json, const std::string& path) const {
    if (json.is_number_unsigned()) {
      const auto value = json.get<std::uint64_t>();
      if (std::in_range<T>(value)) return static_cast<T>(value);
    } else if (json.is_number_integer()) {
      const auto value = json.get<std::int64_t>();
      if (std::in_range<T>(value)) return static_cast<T>(value);
    } else {
      fail(path, "is not an integer");
    }
    fail(path, "is out of range");
  }

  const Json& document_;
  std::string_view what_;  ///< Names the document; outlives the reader.
  std::string path_;
  int version_;  ///< Of the document; every field of it must be there.
};

template <class T>
Json write_versioned(const T& value, int version) {
  Json document = JsonWriter::encode(value);
  document["version"] = version;
  return document;
}

/// Throws InvalidInput, also for a document of a version above `newest`: what it asks for is not known here.
template <class T>
T read_versioned(const Json& document, std::string_view what, int newest) {
  const JsonReader reader(document, what, "");
  int version = 0;
  if (const auto found = document.find("version"); found != document.end()) reader.decode(*found, "version", version);
  if (version < 1) reader.fail("version", "is missing");
  if (version > newest) reader.fail("version", fmt::format("is {}, of a newer sandbox: this one knows {}", version, newest));
  T value;
  JsonReader(document, what, "", version).decode(document, "", value);
  return value;
}

}  // namespace sandbox
