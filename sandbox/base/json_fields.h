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

/// Where a value stands in a document. Its name is put together when something is wrong with it: nearly never.
class JsonPlace {
 public:
  JsonPlace(const char* key) : key_(key) {}  ///< Of the outermost object, or "": that itself.
  JsonPlace(const JsonPlace& above, std::string_view key) : above_(&above), key_(key) {}
  JsonPlace(const JsonPlace& above, std::size_t index) : above_(&above), index_(index) {}

  /// "plan.mounts[2].kind"
  std::string name() const {
    const std::string above = above_ != nullptr ? above_->name() : std::string();
    if (index_) return fmt::format("{}[{}]", above, *index_);
    return above.empty() ? std::string(key_) : fmt::format("{}.{}", above, key_);
  }

 private:
  const JsonPlace* above_ = nullptr;  ///< Outlives this one.
  std::string_view key_;
  std::optional<std::size_t> index_;  ///< In a list.
};

/// Throws InvalidInput: "<what>: field '<place>' …".
class JsonReader {
 public:
  static constexpr int newest = std::numeric_limits<int>::max();

  JsonReader(const Json& document, std::string_view what, const JsonPlace& place, int version = newest)
      : document_(document), what_(what), place_(place), version_(version) {}

  template <class T>
  void operator()(const char* key, T& value) {
    const JsonPlace place(place_, key);
    const auto found = document_.find(key);
    if (found == document_.end()) fail(place, "is missing");
    decode(*found, place, value);
  }

  template <class T>
  void since(int version, const char* key, T& value) {
    if (version_ >= version || document_.contains(key)) (*this)(key, value);
  }

  template <class T>
  void decode(const Json& json, const JsonPlace& place, T& value) const {
    if constexpr (std::is_same_v<T, std::string>) {
      value = text(json, place);
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) fail(place, "is not true or false");
      value = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      value = number<T>(json, place);
    } else if constexpr (std::is_enum_v<T>) {
      const auto words = words_of(value);
      const auto found = std::ranges::find(words, std::string_view(text(json, place)));
      if (found == words.end()) fail(place, "has an unknown value");
      value = static_cast<T>(found - words.begin());
    } else if constexpr (std::is_same_v<T, detail::TextMap>) {
      if (!json.is_object()) fail(place, "is not an object");
      for (const auto& [key, word] : json.items()) value[key] = text(word, {place, key});
    } else if constexpr (detail::IsOptional<T>::value) {
      if (json.is_null()) return value.reset();
      decode(json, place, value.emplace());
    } else if constexpr (detail::IsVector<T>::value) {
      if (!json.is_array()) fail(place, "is not a list");
      value.clear();
      for (const auto& element : json) {
        const JsonPlace one(place, value.size());
        decode(element, one, value.emplace_back());
      }
    } else {
      if (!json.is_object()) fail(place, "is not an object");
      JsonReader inner(json, what_, place, version_);
      describe(inner, value);
    }
  }

  [[noreturn]] void fail(const JsonPlace& place, std::string_view problem) const {
    throw InvalidInput(fmt::format("{}: field '{}' {}", what_, place.name(), problem));
  }

 private:
  const std::string& text(const Json& json, const JsonPlace& place) const {
    if (!json.is_string()) fail(place, "is not a string");
    const auto& value = json.get_ref<const std::string&>();
    if (value.find('\0') != std::string::npos) fail(place, "contains a NUL byte");
    return value;
  }

  template <class T>
  T number(const Json& json, const JsonPlace& place) const {
    if (json.is_number_unsigned()) {
      const auto value = json.get<std::uint64_t>();
      if (std::in_range<T>(value)) return static_cast<T>(value);
    } else if (json.is_number_integer()) {
      const auto value = json.get<std::int64_t>();
      if (std::in_range<T>(value)) return static_cast<T>(value);
    } else {
      fail(place, "is not an integer");
    }
    fail(place, "is out of range");
  }

  const Json& document_;
  std::string_view what_;  ///< Names the document; outlives the reader.
  JsonPlace place_;
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
