// Requests to one registry: see registry_client.h.
#include "sandbox/image/registry_client.h"

#include <charconv>
#include <chrono>
#include <thread>

#include "sandbox/base/error.h"

namespace sandbox::image {
namespace {

constexpr int kRetries = 3;
constexpr int kRedirects = 5;
constexpr std::uint64_t kProgress = 64U << 10;  // Bytes that make a try worth another one.
constexpr long kRangeNotSatisfiable = 416;
constexpr int kLongestRetryAfter = 10;  // Seconds; beyond it the user is told instead.

bool is_worth_retrying(const HttpResponse& response) {
  if (response.failure != HttpFailure::none) {
    return response.failure == HttpFailure::connection || response.failure == HttpFailure::truncated;
  }
  return response.status == 429 || response.status >= 500;
}

// How long to wait before try number `attempt` + 1; negative: longer than anybody should wait.
std::chrono::milliseconds back_off(const HttpResponse& response, int attempt) {
  const std::string after = response.header("retry-after");
  int seconds = 0;
  const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), seconds);
  if (error == std::errc::result_out_of_range || seconds > kLongestRetryAfter) return std::chrono::seconds(-1);
  if (error == std::errc{} && seconds >= 0) return std::chrono::seconds(seconds);
  return std::chrono::milliseconds(250 << attempt);
}

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

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

RegistryClient::RegistryClient(const Reference& reference, const HttpLimits& limits)
    : reference_(reference),
      limits_(limits),
      // Docker Hub's registry doesn't live under the name that references carry.
      host_(reference.registry == "docker.io" ? "registry-1.docker.io" : reference.registry) {
  loopback_ = url_of("").is_loopback();
}

void RegistryClient::fail(const std::string& reason, const std::string& hint) const {
  throw Error(fmt::format("registry '{}': {}", reference_.registry, reason), hint);
}

Url RegistryClient::url_of(const std::string& path) const {
  return Url::parse(fmt::format("{}://{}/v2/{}/{}", https_ ? "https" : "http", host_, reference_.repository, path));
}

// Loopback registries speak plain HTTP unless they answer a first plain request the way a TLS server
// does: with a 400 that says so (Go, nginx), or a TLS alert, which is no HTTP at all. The probe carries no
// credentials.
void RegistryClient::choose_scheme() {
  if (scheme_known_) return;
  scheme_known_ = true;
  if (!loopback_) return;
  https_ = false;
  const HttpResponse answer = http_get(Url::parse("http://" + host_ + "/v2/"), {}, limits_);
  if (answer.failure == HttpFailure::too_slow) fail(answer.reason);
  const bool says_tls = answer.status == 400 && answer.body.find("HTTPS") != std::string::npos;
  https_ = says_tls || answer.failure == HttpFailure::other;
}

void RegistryClient::check_allowed(const Url& url, const char* what) const {
  if (url.is_https() || (loopback_ && url.is_loopback())) return;
  fail(fmt::format("{} at '{}' is not https", what, url.host()));
}

// Redirects by hand, so that every hop is checked and credentials stay with their origin.
HttpResponse RegistryClient::follow(Url url, const std::vector<std::string>& headers,
                                    const std::string& authorization, BodyReceiver* body) {
  bool send_authorization = !authorization.empty();
  const Url origin = url;
  for (int hop = 0; hop <= kRedirects; ++hop) {
    std::vector<std::string> lines = headers;
    if (send_authorization) lines.push_back("Authorization: " + authorization);
    if (body != nullptr && body->received() > 0) lines.push_back(fmt::format("Range: bytes={}-", body->received()));
    HttpResponse response = http_get(url, lines, limits_, sink_into(body));
    // A challenge from elsewhere must not learn the credentials for this registry.
    if (!url.same_origin(origin)) std::erase_if(response.headers, [](const auto& h) { return h.first == "www-authenticate"; });
    if (response.failure != HttpFailure::none || !is_redirect(response.status)) return response;
    const Url target = url.resolve(response.header("location"));
    check_allowed(target, "the target of a redirect");
    if (url.is_https() && !target.is_https()) fail("a redirect leads from https to http");
    // Once away, a redirect back doesn't bring the credentials back: the path was chosen elsewhere.
    send_authorization = send_authorization && target.same_origin(origin);
    url = target;
  }
  fail(fmt::format("more than {} redirects", kRedirects));
}

HttpResponse RegistryClient::follow_with_retries(const Url& url, const std::vector<std::string>& headers,
                                                 const std::string& authorization,
                                                 BodyReceiver* body) {
  for (int attempt = 0;; ++attempt) {
    const std::uint64_t before = body != nullptr ? body->received() : 0;
    HttpResponse response = follow(url, headers, authorization, body);
    if (response.status == kRangeNotSatisfiable && body != nullptr && before > 0) body->restart();
    else if (!is_worth_retrying(response)) return response;
    if (body != nullptr && body->received() > before + kProgress) attempt = 0;
    const auto delay = back_off(response, attempt);
    if (attempt == kRetries || delay.count() < 0) return response;
    std::this_thread::sleep_for(delay);
  }
}

std::string RegistryClient::fetch_token(const Challenge& challenge) {
  const auto parameter = [&](const char* name) {
    const auto found = challenge.parameters.find(name);
    return found == challenge.parameters.end() ? std::string() : found->second;
  };
  Url url = Url::parse(parameter("realm"));
  check_allowed(url, "the token server");
  if (const std::string service = parameter("service"); !service.empty()) url = url.with_query("service", service);
  const std::string scope = parameter("scope");
  url = url.with_query("scope", scope.empty() ? fmt::format("repository:{}:pull", reference_.repository) : scope);

  const std::string basic = find_basic_credentials(reference_);
  const HttpResponse answer = follow_with_retries(url, {}, basic.empty() ? "" : "Basic " + basic, {});
  if (answer.failure != HttpFailure::none) fail(fmt::format("token server '{}': {}", url.host(), answer.reason));
  if (!answer.ok()) fail(fmt::format("token server '{}' answered {}", url.host(), answer.status));
  return parse_token(answer.body);
}

// The Authorization header for a challenge; empty when there is no answer to it.
std::string RegistryClient::authorize(const HttpResponse& refusal) {
  bool basic = false;
  for (const auto& [name, value] : refusal.headers) {
    if (name != "www-authenticate") continue;
    for (const Challenge& challenge : parse_challenges(value)) {
      if (challenge.scheme == "bearer") return "Bearer " + fetch_token(challenge);
      basic = basic || challenge.scheme == "basic";
    }
  }
  if (!basic) return {};
  const std::string credentials = find_basic_credentials(reference_);
  return credentials.empty() ? std::string() : "Basic " + credentials;
}

// A token may have expired during a long pull: a refused one is replaced once per request.
HttpResponse RegistryClient::get_authorized(const Url& url, const std::vector<std::string>& headers,
                                            BodyReceiver* body) {
  HttpResponse response = follow_with_retries(url, headers, authorization_, body);
  if (response.failure != HttpFailure::none || response.status != 401) return response;
  authorization_ = authorize(response);
  if (authorization_.empty()) return response;
  return follow_with_retries(url, headers, authorization_, body);
}

HttpResponse RegistryClient::get(const std::string& path, const std::vector<std::string>& headers,
                                 BodyReceiver* body) {
  choose_scheme();
  HttpResponse response = get_authorized(url_of(path), headers, body);
  if (response.failure == HttpFailure::tls) {
    fail(response.reason, fmt::format("its certificate authority's file belongs into ~/.config/containers/certs.d/{}/ca.crt",
                                      url_of("").authority()));
  }
  if (response.failure != HttpFailure::none) fail(response.reason);
  if (response.ok() || response.status == 404) return response;
  if (response.status == 401 || response.status == 403) {
    fail(fmt::format("access to '{}' denied: it does not exist or needs a login", reference_.repository),
         "credentials are read from ~/.docker/config.json and $XDG_RUNTIME_DIR/containers/auth.json");
  }
  if (response.status == 429) fail("too many requests: the registry limits the rate of pulls");
  fail(fmt::format("answered {}", response.status));
}

}  // namespace sandbox::image
