// Errors: how every room reports failure.
//
// `sys::` wrappers return Result<T>; ordinary code turns a failed Result into an exception with
// `| or_throw("opening '{}'", path)`. Exceptions are caught only at boundaries (cli main, helper
// mains, one request, the top of a child).
#pragma once

#include <fmt/format.h>

#include <expected>
#include <stdexcept>
#include <string>
#include <utility>

namespace sandbox {

/// A kernel error number (errno(3)) as a value.
struct Errno {
  int value = 0;
  std::string message() const;  ///< The C library's description, e.g. "No such file or directory".
};

template <class T>
using Result = std::expected<T, Errno>;

/// Base of all errors. The message is lower case, names the object and the reason. `hint` is a
/// remedy shown on a line of its own; empty when none is known.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, std::string hint = {})
      : std::runtime_error(message), hint_(std::move(hint)) {}
  const std::string& hint() const { return hint_; }

 private:
  std::string hint_;
};

/// A failed system call: "<context>: <strerror>".
class SysError : public Error {
 public:
  SysError(Errno error, const std::string& context, std::string hint = {})
      : Error(context + ": " + error.message(), std::move(hint)), errno_(error.value) {}
  int code() const { return errno_; }

 private:
  int errno_;
};

struct UsageError : Error { using Error::Error; };     ///< The caller's words are wrong: exit 125.
struct NotFound : Error { using Error::Error; };       ///< No such image, container, file.
struct Conflict : Error { using Error::Error; };       ///< The object's state forbids it.
struct Unsupported : Error { using Error::Error; };    ///< This machine or kernel can't do it.
struct InvalidInput : Error { using Error::Error; };   ///< A document, archive or answer is malformed.

namespace detail {
struct OrThrow {
  std::string context;
};
template <class T>
T operator|(Result<T>&& result, OrThrow&& context) {
  if (!result) throw SysError(result.error(), context.context);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace detail

/// Usage: `sys::open(...) | or_throw("opening '{}'", path)`.
template <class... Args>
detail::OrThrow or_throw(fmt::format_string<Args...> format, Args&&... args) {
  return {fmt::format(format, std::forward<Args>(args)...)};
}

}  // namespace sandbox
