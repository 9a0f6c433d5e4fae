// Makes a JSON document of what a parser reads, bounded in depth, and refuses a second member of one name. Pure.
#pragma once

#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox {

/// The library's own way to have a say in what it reads, a callback, looks through a whole list at the end of each of its
/// objects. These functions throw InvalidInput; they return true.
class JsonBuilder final : public Json::json_sax_t {
 public:
  /// `what` names the document in errors, and outlives this.
  explicit JsonBuilder(std::string_view what) : what_(what) {}
  Json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(Json::number_integer_t value) override { return put(value); }
  bool number_unsigned(Json::number_unsigned_t value) override { return put(value); }
  bool number_float(Json::number_float_t value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(Json::binary_t& value) override { return put(std::move(value)); }

  bool start_object(std::size_t) override { return open(Json::value_t::object); }
  bool start_array(std::size_t) override { return open(Json::value_t::array); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    const auto [member, is_new] = open_.back()->emplace(name, nullptr);
    // Which of the two counts is every reader's own choice: what one has checked another would not use.
    if (!is_new) throw InvalidInput(fmt::format("{}: an object has two members '{}'", what_, name));
    member_ = &*member;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) override {
    throw InvalidInput(fmt::format("{}: not valid JSON: {}", what_, error.what()));
  }

 private:
  static constexpr std::size_t kMaxDepth = 64;

  /// Where the next value belongs. It stays there until the objects and lists in it are complete.
  Json& place() {
    if (open_.empty()) return root_;
    return open_.back()->is_array() ? open_.back()->emplace_back() : *member_;
  }

  template <class Value>
  bool put(Value&& value) {
    place() = std::forward<Value>(value);
    return true;
  }

  bool open(Json::value_t type) {
    if (open_.size() >= kMaxDepth)
      throw InvalidInput(fmt::format("{}: nested deeper than {} levels", what_, kMaxDepth));
    Json& value = place();
    value = Json(type);
    open_.push_back(&value);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view what_;
  Json root_;
  std::vector<Json*> open_;  ///< Objects and lists that are not complete, outermost first.
  Json* member_ = nullptr;   ///< Of the innermost, an object, that was named last.
};

}  // namespace sandbox
