// Requests to one registry: see registry_client.h.
#include "sandbox/image/registry_client.h"

#include <thread>

#include "sandbox/base/error.h"
#include "sandbox/image/registry_error.h"

namespace sandbox::image {
namespace {

constexpr int kRedirects = 5;
constexpr std::uint64_t kProgress = 64U << 10;  // Bytes that make a try worth another one.
constexpr long kRangeNotSatisfiable = 416;

// The body goes on where it was cut if the registry can do that (206), and starts anew otherwise (200).
HttpSink sink_into(BodyReceiver* body) {
  if (body == nullptr) return {};
  return [body, first = true](const HttpResponse& answer, std::span<const std::byte> data) mutable {
    const std::string range = fmt::format("bytes {}-", body->received());
    if (first && answer.status != 206) body->restart();
    if (first && answer.status == 206 && !answer.header("content-range").starts_with(range)) {
      throw InvalidInput("the registry sends another range than that asked for");
    }
    first = false;
    body->write(data);
  };
}

bool is_redirect(const HttpRequest& request, long status) {
  if (status == 307 || status == 308) return true;
  const std::string_view method = request.method;
  return (method == "GET" || method == "HEAD") && (status == 301 || status == 302 || status == 303);
}

}  // namespace

RegistryClient::RegistryClient(const Endpoint& endpoint, Access access, std::vector<std::string> readable,
                               const HttpLimits& limits)
    : reference_(endpoint.reference),
      access_(access),
      readable_(std::move(readable)),
      connections_(limits),
      // Docker Hub's registry doesn't live under the name that references carry.
      host_(reference_.registry == "docker.io" ? "registry-1.docker.io" : reference_.registry),
      insecure_(endpoint.insecure) {
  loopback_ = root().is_loopback();
}

void RegistryClient::fail(const std::string& reason, const std::string& hint) const {
  throw Error(fmt::format("registry '{}': {}", reference_.registry, reason), hint);
}

Url RegistryClient::root() const { return Url::parse(fmt::format("{}://{}/v2/", https_ ? "https" : "http", host_)); }

Url RegistryClient::url_of(const std::string& path) {
  choose_scheme();
  return root().resolve(reference_.repository.empty() ? path : reference_.repository + "/" + path);
}

// Loopback registries speak plain HTTP unless they answer a first plain request the way a TLS server
// does: with a 400 that says so (Go, nginx), or a TLS alert, which is no HTTP at all. The probe carries no
// credentials.
void RegistryClient::choose_scheme() {
  const std::scoped_lock lock(mutex_);
  if (scheme_known_ || !(loopback_ || insecure_)) return;
  scheme_known_ = true;
  if (!loopback_) {
    const HttpResponse answer = connections_.perform({"GET", root(), {}, nullptr, false});
    https_ = answer.failure != HttpFailure::tls && answer.failure != HttpFailure::connection;
    return;
  }
  https_ = false;
  const HttpResponse answer = connections_.perform({"GET", root(), {}});
  if (answer.failure == HttpFailure::too_slow) fail(answer.reason);
  const bool says_tls = answer.status == 400 && answer.body.find("HTTPS") != std::string::npos;
  https_ = says_tls || answer.failure == HttpFailure::other;
}

void RegistryClient::check_allowed(const Url& url, const char* what) const {
  // What listens there trusts this machine, and is none of a stranger's business.
  if (!loopback_ && url.is_loopback()) fail(fmt::format("{} is on this machine's loopback", what));
  if (url.is_https() || (loopback_ && url.is_loopback()) || (insecure_ && url.authority() == root().authority()))
    return;
  fail(fmt::format("{} at '{}' is not https", what, url.host()));
}

Url RegistryClient::location(const Url& from, const HttpResponse& answer) const {
  const Url target = from.resolve(answer.header("location"));
  check_allowed(target, "the target of a redirect");
  if (from.is_https() && !target.is_https()) fail("a redirect leads from https to http");
  return target;
}

// Redirects by hand, so that every hop is checked and credentials stay with their origin.
HttpResponse RegistryClient::follow(const HttpRequest& request, const std::string& authorization, BodyReceiver* body) {
  HttpRequest hop = request;
  const Url origin = root();
  bool send_authorization = !authorization.empty() && request.url.same_origin(origin);
  for (int count = 0; count <= kRedirects; ++count) {
    hop.headers = request.headers;
    hop.verify = !insecure_ || hop.url.authority() != origin.authority();
    if (send_authorization) hop.headers.push_back("Authorization: " + authorization);
    if (body != nullptr && body->received() > 0)
      hop.headers.push_back(fmt::format("Range: bytes={}-", body->received()));
    HttpResponse response = connections_.perform(hop, sink_into(body));
    // A challenge from elsewhere must not learn the credentials for this registry.
    if (!hop.url.same_origin(origin)) {
      std::erase_if(response.headers, [](const auto& header) { return header.first == "www-authenticate"; });
    }
    if (response.failure != HttpFailure::none || !is_redirect(request, response.status)) return response;
    hop.url = location(hop.url, response);
    // Once away, a redirect back doesn't bring the credentials back: the path was chosen elsewhere.
    send_authorization = send_authorization && hop.url.same_origin(origin);
  }
  fail(fmt::format("more than {} redirects", kRedirects));
}

HttpResponse RegistryClient::follow_with_retries(const HttpRequest& request, const std::string& authorization,
                                                 BodyReceiver* body) {
  for (int attempt = 0;; ++attempt) {
    const std::uint64_t before = body != nullptr ? body->received() : 0;
    HttpResponse response = follow(request, authorization, body);
    if (response.status == kRangeNotSatisfiable && body != nullptr && before > 0) body->restart();
    else if (!is_worth_retrying(response)) return response;
    if (body != nullptr && body->received() > before + kProgress) attempt = 0;
    const auto delay = back_off(response, attempt);
    if (attempt == most_retries || delay.count() < 0) return response;
    std::this_thread::sleep_for(delay);
  }
}

const Credentials& RegistryClient::credentials() {
  if (!credentials_) credentials_ = find_credentials(reference_);
  return *credentials_;
}

std::string RegistryClient::fetch_token(const Challenge& challenge) {
  const auto parameter = [&](const char* name) {
    const auto found = challenge.parameters.find(name);
    return found == challenge.parameters.end() ? std::string() : found->second;
  };
  const Url realm = Url::parse(parameter("realm"));
  check_allowed(realm, "the token server");
  // A look whether a blob exists is challenged for reading alone; the one token serves for what follows, too.
  const std::string own = reference_.repository.empty() ? "" : fmt::format("repository:{}:", reference_.repository);
  std::vector<std::string> scopes;
  if (const std::string scope = parameter("scope"); !scope.empty() && (own.empty() || !scope.starts_with(own))) {
    scopes.push_back(scope);
  } else if (!own.empty()) {
    scopes.push_back(own + (access_ == Access::push ? "pull,push" : "pull"));
  }
  for (const std::string& source : readable_) scopes.push_back(fmt::format("repository:{}:pull", source));

  const Credentials& mine = credentials();
  const TokenRequest asked = token_request(realm, parameter("service"), scopes, mine);
  const HttpBody body = text_body(asked.form);
  HttpRequest request{asked.form.empty() ? "GET" : "POST", asked.url, asked.headers,
                      asked.form.empty() ? nullptr : &body};
  const HttpResponse answer = follow_with_retries(request, {}, nullptr);
  if (answer.failure != HttpFailure::none) fail(fmt::format("token server '{}': {}", realm.host(), answer.reason));
  if (answer.status == 401 && !mine.empty()) fail_login("unauthorized: incorrect username or password");
  if (answer.status == 401 || answer.status == 403) refuse(answer);
  if (!answer.ok()) fail(fmt::format("token server '{}' answered {}", realm.host(), answer.status));
  return parse_token(answer.body);
}

// The Authorization header for a challenge; empty when there is no answer to it.
std::string RegistryClient::answer_to(const HttpResponse& refusal) {
  bool basic = false;
  for (const auto& [name, value] : refusal.headers) {
    if (name != "www-authenticate") continue;
    for (const Challenge& challenge : parse_challenges(value)) {
      if (challenge.scheme == "bearer") return "Bearer " + fetch_token(challenge);
      basic = basic || challenge.scheme == "basic";
    }
  }
  if (!basic || credentials().empty()) return {};
  if (credentials().password.empty()) fail_login("it wants a password, and the credentials for it are a token");
  return "Basic " + credentials().basic();
}

std::string RegistryClient::authorize(const HttpResponse& refusal, const std::string& refused) {
  const std::scoped_lock lock(mutex_);
  if (authorization_ == refused) authorization_ = answer_to(refusal);  // else another thread has had it renewed
  return authorization_;
}

// A token may have expired during a long transfer: a refused one is replaced once per request.
HttpResponse RegistryClient::send(const HttpRequest& request, Retries retries, BodyReceiver* body) {
  std::string authorization;
  {
    const std::scoped_lock lock(mutex_);
    authorization = authorization_;
  }
  const auto once = [&] {
    return retries == Retries::yes ? follow_with_retries(request, authorization, body)
                                   : follow(request, authorization, body);
  };
  HttpResponse response = once();
  if (response.failure != HttpFailure::none || response.status != 401) return response;
  authorization = authorize(response, authorization);
  return authorization.empty() ? response : once();
}

HttpResponse RegistryClient::get(const std::string& path, const std::vector<std::string>& headers, BodyReceiver* body) {
  HttpResponse response = send({"GET", url_of(path), headers}, Retries::yes, body);
  if (response.ok() || (response.failure == HttpFailure::none && response.status == 404)) return response;
  refuse(response);
}

void RegistryClient::log_in(const Credentials& credentials) {
  choose_scheme();
  {
    const std::scoped_lock lock(mutex_);
    credentials_ = credentials;
  }
  const HttpResponse answer = send({"GET", root(), {}});
  if (answer.ok()) return;
  if (answer.failure == HttpFailure::none && answer.status == 401) {
    fail_login(fmt::format("login attempt to {} failed with status: 401 Unauthorized", root().text()));
  }
  refuse(answer);
}

void RegistryClient::fail_login(const std::string& reason) const {
  fail(reason, "log in: sandbox login " + reference_.registry);
}

void RegistryClient::refuse(const HttpResponse& answer) const {
  if (answer.failure == HttpFailure::tls && !answer.reason.starts_with("TLS failed")) {
    fail(answer.reason, fmt::format("if it has no TLS, say so in ~/.config/containers/registries.conf: [[registry]] "
                                    "location = \"{}\" insecure = true",
                                    reference_.registry));
  }
  if (answer.failure == HttpFailure::tls) {
    fail(answer.reason,
         fmt::format("its certificate authority's file belongs into ~/.config/containers/certs.d/{}/ca.crt",
                     root().authority()));
  }
  if (answer.failure != HttpFailure::none) fail(answer.reason);
  const std::string said = registry_error(answer.body);
  if (answer.status == 401 || answer.status == 403) {
    throw Error(fmt::format("{} access denied for {}, repository does not exist or may require 'sandbox login'{}{}",
                            access_ == Access::push ? "push" : "pull", reference_.familiar_repository(),
                            said.empty() ? "" : ": ", said));
  }
  if (answer.status == 429) fail("too many requests: the registry limits the rate of requests");
  fail(said.empty() ? fmt::format("answered {}", answer.status) : said);
}

}  // namespace sandbox::image
