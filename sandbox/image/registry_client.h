// Requests to one registry: plain HTTP or TLS, redirects, authentication, retries.
//
// Runs in the process that pulls or pushes, in any of its threads. Invariants: plain HTTP goes only to a loopback host,
// and only for a loopback registry, or to a registry that registries.conf calls insecure; no other registry leads to
// loopback; an Authorization header goes only to the origin that asked for it.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/image/credentials.h"
#include "sandbox/image/http.h"
#include "sandbox/image/reference.h"
#include "sandbox/image/registries_conf.h"
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

enum class Access { pull, push };
enum class Retries { yes, no };

class RegistryClient {
 public:
  /// `readable`: other repositories of the registry that a token has to open, too, for blobs to be mounted from there.
  explicit RegistryClient(const Endpoint& endpoint, Access access = Access::pull,
                          std::vector<std::string> readable = {}, const HttpLimits& limits = {});

  /// Of `path` below "/v2/<repository>/", or below "/v2/" when the reference has no repository.
  Url url_of(const std::string& path);

  /// GET of url_of(path). Connection failures, 429 and 5xx are tried three times more, counted anew whenever `body` has
  /// grown well meanwhile. Answers other than 2xx and 404 become an Error that names the registry.
  HttpResponse get(const std::string& path, const std::vector<std::string>& headers = {}, BodyReceiver* body = nullptr);

  /// Any request of the registry's own protocol. Redirects are followed, those of requests that change something only
  /// with method and body as they are (307, 308). The answer is whatever came last.
  HttpResponse send(const HttpRequest& request, Retries retries = Retries::yes, BodyReceiver* body = nullptr);

  /// Tries these credentials, and no others from then on. Throws Error when the registry or its token server does not
  /// take them.
  void log_in(const Credentials& credentials);

  /// What an answer that is of no use means to the user. Throws Error.
  [[noreturn]] void refuse(const HttpResponse& answer) const;

  /// The target of a Location header. Throws Error when nothing may be sent there.
  Url location(const Url& from, const HttpResponse& answer) const;

 private:
  HttpResponse follow(const HttpRequest& request, const std::string& authorization, BodyReceiver* body);
  HttpResponse follow_with_retries(const HttpRequest& request, const std::string& authorization, BodyReceiver* body);
  std::string authorize(const HttpResponse& refusal, const std::string& refused);
  std::string answer_to(const HttpResponse& refusal);
  std::string fetch_token(const Challenge& challenge);
  const Credentials& credentials();
  void check_allowed(const Url& url, const char* what) const;
  void choose_scheme();
  Url root() const;
  [[noreturn]] void fail_login(const std::string& reason) const;
  [[noreturn]] void fail(const std::string& reason, const std::string& hint = {}) const;

  Reference reference_;
  Access access_;
  std::vector<std::string> readable_;
  HttpConnections connections_;
  std::string host_;
  bool insecure_, loopback_ = false, https_ = true, scheme_known_ = false;
  std::mutex mutex_;
  std::optional<Credentials> credentials_;  ///< Once they were looked for.
  std::string authorization_;  ///< Once a challenge was met: sent with the first try from then on. Under the mutex.
};

}  // namespace sandbox::image
