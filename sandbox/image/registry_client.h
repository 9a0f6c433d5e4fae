// Requests to one registry: plain HTTP or TLS, redirects, authentication, retries.
//
// Runs in the process that pulls. Invariants: plain HTTP goes only to a loopback host, and only for a
// loopback registry; an Authorization header goes only to the origin that asked for it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sandbox/image/http.h"
#include "sandbox/image/reference.h"
#include "sandbox/image/registry_auth.h"

namespace sandbox::image {

/// Takes a body over several tries: after a cut only the rest is asked for.
class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  virtual std::uint64_t received() const = 0;  ///< Bytes kept so far.
  virtual void restart() = 0;                  ///< Forget them: the body comes from its beginning.
  virtual void write(std::span<const std::byte> data) = 0;
};

class RegistryClient {
 public:
  explicit RegistryClient(const Reference& reference, const HttpLimits& limits = {});

  /// GET of `path` below "/v2/<repository>/". Connection failures, 429 and 5xx are tried three times more, counted anew
  /// whenever `body` has grown well meanwhile. Answers other than 2xx and 404 become an Error that names the registry.
  HttpResponse get(const std::string& path, const std::vector<std::string>& headers = {}, BodyReceiver* body = nullptr);

 private:
  HttpResponse get_authorized(const Url& url, const std::vector<std::string>& headers,
                              BodyReceiver* body);
  HttpResponse follow(Url url, const std::vector<std::string>& headers, const std::string& authorization,
                      BodyReceiver* body);
  HttpResponse follow_with_retries(const Url& url, const std::vector<std::string>& headers,
                                   const std::string& authorization, BodyReceiver* body);
  std::string authorize(const HttpResponse& refusal);
  std::string fetch_token(const Challenge& challenge);
  void check_allowed(const Url& url, const char* what) const;
  void choose_scheme();
  Url url_of(const std::string& path) const;
  [[noreturn]] void fail(const std::string& reason, const std::string& hint = {}) const;

  Reference reference_;
  HttpLimits limits_;
  std::string host_;
  bool loopback_ = false, https_ = true, scheme_known_ = false;
  std::string authorization_;  ///< Once a challenge was met: sent with the first try from then on.
};

}  // namespace sandbox::image
