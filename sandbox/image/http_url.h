// Urls of registries, token servers and storage. What is no http or https url, or names a user, is none of them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sandbox::image {

/// An absolute http or https URL without user information.
class Url {
 public:
  /// Throws InvalidInput.
  static Url parse(const std::string& text);
  /// The target of a redirect from here: `location` may be relative.
  Url resolve(const std::string& location) const;
  /// With one more query parameter, percent-encoded.
  Url with_query(const std::string& name, const std::string& value) const;

  const std::string& text() const { return text_; }
  const std::string& host() const { return host_; }
  /// "host", or "host:port" when the port is written: the name that registries and certs.d directories go by.
  const std::string& authority() const { return authority_; }
  bool is_https() const { return https_; }
  bool same_origin(const Url& other) const { return origin_ == other.origin_; }
  /// localhost, 127.0.0.0/8 or ::1, as written: no name is looked up.
  bool is_loopback() const;

 private:
  static Url from(void* handle);
  std::string text_, host_, authority_, origin_;
  bool https_ = false;
};

/// A body of application/x-www-form-urlencoded.
std::string form_encoded(const std::vector<std::pair<std::string, std::string>>& fields);

/// ASCII only.
std::string lower_case(std::string text);

}  // namespace sandbox::image
