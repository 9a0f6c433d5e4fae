// One HTTP GET at a time, bounded in every direction, over libcurl. Runs in the process that pulls.
//
// Nothing is followed, retried or authenticated here: registry_client.h decides that.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
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

struct HttpLimits {
  long connect_seconds = 10;
  long low_speed_bytes = 1024;  ///< Per second …
  long low_speed_seconds = 20;  ///< … over this long, or the transfer is given up.
  std::size_t header_bytes = 64U << 10;
  std::size_t body_bytes = 4U << 20;  ///< Of a body kept in memory; a sink bounds itself.
};

enum class HttpFailure { none, connection, truncated, too_slow, tls, other };

struct HttpResponse {
  long status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< Names in lower case.
  std::string body;                                          ///< Empty when a sink took it.
  HttpFailure failure = HttpFailure::none;
  std::string reason;  ///< Of the failure, in a few words.

  bool ok() const { return failure == HttpFailure::none && status >= 200 && status < 300; }
  /// The first header of that name, or empty.
  std::string header(std::string_view lower_case_name) const;
};

/// Takes a body as it arrives; the answer's status and headers are complete by then.
using HttpSink = std::function<void(const HttpResponse& answer, std::span<const std::byte> data)>;

/// `sink` gets the body of a 2xx answer; what it throws ends the transfer and is thrown
/// from here. Bodies of other answers are cut at 64 KiB. Throws InvalidInput beyond a limit.
HttpResponse http_get(const Url& url, const std::vector<std::string>& headers, const HttpLimits& limits,
                      const HttpSink& sink = {});

}  // namespace sandbox::image
