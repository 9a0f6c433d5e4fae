// The transport: see http.h.
#include "sandbox/image/http.h"

#include <arpa/inet.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/image/curl_library.h"
#include "sandbox/image/http_trust.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kErrorBodyLimit = 64U << 10;
constexpr unsigned kUrlFlags = CURLU_DISALLOW_USER;

using UrlHandle = std::unique_ptr<CURLU, decltype(&::curl_url_cleanup)>;

UrlHandle parse_handle(const std::string& text) {
  UrlHandle handle(curl_library().url(), curl_library().url_cleanup);
  if (!handle || curl_library().url_set(handle.get(), CURLUPART_URL, text.c_str(), kUrlFlags) != CURLUE_OK) {
    throw InvalidInput("the registry gave a malformed url");
  }
  return handle;
}

std::string url_part(CURLU* handle, CURLUPart part, unsigned flags = 0) {
  char* value = nullptr;
  if (curl_library().url_get(handle, part, &value, flags) != CURLUE_OK) return {};
  std::string text(value);
  curl_library().free(value);
  return text;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

std::string trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

// State of one transfer. libcurl is C: the callbacks keep an exception for http_get to rethrow.
struct Transfer {
  const HttpLimits& limits;
  const HttpSink& sink;
  HttpResponse response;
  std::size_t header_bytes = 0;
  std::exception_ptr error;
  bool cut = false;  ///< The body of an error answer was long enough; the transfer is done.

  void on_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > limits.header_bytes) {
      throw InvalidInput(fmt::format("headers are longer than {} bytes", limits.header_bytes));
    }
    if (line.starts_with("HTTP/")) {  // A new answer: what came before was interim (1xx, or a proxy's).
      response.headers.clear();
      const auto space = line.find(' ');
      response.status = space == std::string_view::npos ? 0 : std::atol(std::string(line.substr(space + 1)).c_str());
      return;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return;
    response.headers.emplace_back(lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
  }

  bool on_body(std::span<const std::byte> data) {
    const bool success = response.status >= 200 && response.status < 300;
    if (success && sink) {
      sink(response, data);
      return true;
    }
    const std::size_t limit = success ? limits.body_bytes : std::min(limits.body_bytes, kErrorBodyLimit);
    if (data.size() > limit - response.body.size()) {
      if (success) throw InvalidInput(fmt::format("the answer is longer than {} bytes", limit));
      cut = true;
      return false;
    }
    response.body.append(reinterpret_cast<const char*>(data.data()), data.size());
    return true;
  }
};

std::size_t header_callback(char* data, std::size_t, std::size_t size, void* transfer) {
  auto& self = *static_cast<Transfer*>(transfer);
  try {
    self.on_header({data, size});
    return size;
  } catch (...) {
    self.error = std::current_exception();
    return size + 1;  // Any other number than `size` ends the transfer.
  }
}

std::size_t body_callback(char* data, std::size_t, std::size_t size, void* transfer) {
  auto& self = *static_cast<Transfer*>(transfer);
  try {
    return self.on_body({reinterpret_cast<const std::byte*>(data), size}) ? size : size + 1;
  } catch (...) {
    self.error = std::current_exception();
    return size + 1;
  }
}

void describe_failure(HttpResponse& response, CURLcode code, long os_error, const char* detail) {
  const std::string text = *detail ? detail : curl_library().easy_strerror(code);
  response.reason = text;
  response.failure = HttpFailure::other;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
      response.failure = HttpFailure::connection;
      if (os_error == ECONNREFUSED) response.reason = "connection refused";
      else if (os_error != 0) response.reason = Errno{static_cast<int>(os_error)}.message();
      break;
    case CURLE_COULDNT_RESOLVE_HOST:
      response.failure = HttpFailure::connection;
      response.reason = "no such host";
      break;
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      response.failure = HttpFailure::connection;
      break;
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
      response.failure = HttpFailure::truncated;
      response.reason = "the connection was closed before the end";
      break;
    case CURLE_OPERATION_TIMEDOUT:
      response.failure = HttpFailure::too_slow;
      response.reason = "too slow";
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
      response.failure = HttpFailure::tls;
      response.reason = "TLS failed: " + text;
      break;
    default:
      break;
  }
}

void set_trust(CURL* handle, const Trust& trust) {
  const auto set = curl_library().easy_setopt;
  if (!trust.ca_file.empty()) set(handle, CURLOPT_CAINFO, trust.ca_file.c_str());
  if (!trust.ca_directory.empty()) set(handle, CURLOPT_CAPATH, trust.ca_directory.c_str());
  if (!trust.ca_bundle.empty()) {
    std::string bundle = trust.ca_bundle;
    curl_blob blob{bundle.data(), bundle.size(), CURL_BLOB_COPY};
    set(handle, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (trust.certificate.empty()) return;
  set(handle, CURLOPT_SSLCERT, trust.certificate.c_str());
  set(handle, CURLOPT_SSLKEY, trust.key.c_str());
}

void set_options(CURL* handle, const Url& url, const HttpLimits& limits, Transfer& transfer, char* detail) {
  const auto set = curl_library().easy_setopt;
  set(handle, CURLOPT_URL, url.text().c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_USERAGENT, "sandbox/" SANDBOX_VERSION);
  set(handle, CURLOPT_CONNECTTIMEOUT, limits.connect_seconds);
  set(handle, CURLOPT_LOW_SPEED_LIMIT, limits.low_speed_bytes);
  set(handle, CURLOPT_LOW_SPEED_TIME, limits.low_speed_seconds);
  set(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  set(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  set(handle, CURLOPT_HEADERFUNCTION, &header_callback);
  set(handle, CURLOPT_HEADERDATA, &transfer);
  set(handle, CURLOPT_WRITEFUNCTION, &body_callback);
  set(handle, CURLOPT_WRITEDATA, &transfer);
  set(handle, CURLOPT_ERRORBUFFER, detail);
  if (url.is_https()) set_trust(handle, trust_for(url.authority()));
  // A proxy from the environment can't reach this machine's loopback, and must not see its traffic.
  if (url.is_loopback()) set(handle, CURLOPT_NOPROXY, "*");
}

}  // namespace

Url Url::from(void* pointer) {
  CURLU* handle = static_cast<CURLU*>(pointer);
  const std::string scheme = url_part(handle, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") throw InvalidInput("the registry gave a url that is not http");
  Url url;
  url.https_ = scheme == "https";
  url.text_ = url_part(handle, CURLUPART_URL);
  url.host_ = lower(url_part(handle, CURLUPART_HOST));
  const std::string port = url_part(handle, CURLUPART_PORT);
  url.authority_ = port.empty() ? url.host_ : url.host_ + ":" + port;
  url.origin_ = scheme + "://" + url.host_ + ":" + url_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  return url;
}

Url Url::parse(const std::string& text) { return from(parse_handle(text).get()); }

Url Url::resolve(const std::string& location) const {
  UrlHandle handle = parse_handle(text_);
  if (curl_library().url_set(handle.get(), CURLUPART_URL, location.c_str(), kUrlFlags) != CURLUE_OK) {
    throw InvalidInput("the registry redirects to a malformed url");
  }
  return from(handle.get());
}

Url Url::with_query(const std::string& name, const std::string& value) const {
  UrlHandle handle = parse_handle(text_);
  const std::string pair = name + "=" + value;
  if (curl_library().url_set(handle.get(), CURLUPART_QUERY, pair.c_str(), CURLU_APPENDQUERY | CURLU_URLENCODE) !=
      CURLUE_OK) {
    throw InvalidInput("the registry gave a malformed url");
  }
  return from(handle.get());
}

bool Url::is_loopback() const {
  if (host_ == "localhost" || host_ == "[::1]") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, host_.c_str(), &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

HttpResponse http_get(const Url& url, const std::vector<std::string>& headers, const HttpLimits& limits,
                      const HttpSink& sink) {
  const CurlLibrary& curl = curl_library();
  const std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> handle(curl.easy_init(), curl.easy_cleanup);
  if (!handle) throw Error("libcurl has no memory");
  Transfer transfer{limits, sink, {}, 0, nullptr, false};
  char detail[CURL_ERROR_SIZE] = "";
  set_options(handle.get(), url, limits, transfer, detail);
  std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> list(nullptr, curl.slist_free_all);
  for (const std::string& header : headers) {
    curl_slist* longer = curl.slist_append(list.get(), header.c_str());
    if (longer == nullptr) throw Error("libcurl has no memory");
    static_cast<void>(list.release());
    list.reset(longer);
  }
  curl.easy_setopt(handle.get(), CURLOPT_HTTPHEADER, list.get());

  const CURLcode code = curl.easy_perform(handle.get());
  if (transfer.error) std::rethrow_exception(transfer.error);
  if (code != CURLE_OK && !transfer.cut) {
    long os_error = 0;
    curl.easy_getinfo(handle.get(), CURLINFO_OS_ERRNO, &os_error);
    describe_failure(transfer.response, code, os_error, detail);
  }
  return std::move(transfer.response);
}

}  // namespace sandbox::image
