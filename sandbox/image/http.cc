// The transport: see http.h.
#include "sandbox/image/http.h"

#include <stdlib.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/image/curl_library.h"
#include "sandbox/image/http_trust.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kErrorBodyLimit = 64U << 10;

std::string trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

// State of one transfer. libcurl is C: the callbacks keep an exception for perform() to rethrow.
struct Transfer {
  const HttpLimits& limits;
  const HttpSink& sink;
  const HttpBody* body = nullptr;
  std::uint64_t sent = 0;
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
    response.headers.emplace_back(lower_case(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
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

std::size_t read_callback(char* into, std::size_t, std::size_t size, void* transfer) {
  auto& self = *static_cast<Transfer*>(transfer);
  if (self.body == nullptr) return 0;
  try {
    const std::size_t count = self.body->read(self.sent, {reinterpret_cast<std::byte*>(into), size});
    self.sent += count;
    return count;
  } catch (...) {
    self.error = std::current_exception();
    return CURL_READFUNC_ABORT;
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
    case CURLE_SEND_FAIL_REWIND:  // A kept connection broke. What has arrived is the caller's to find out.
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
      response.reason =
          text.contains("wrong version number") ? "server gave HTTP response to HTTPS client" : "TLS failed: " + text;
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

void set_method(CURL* handle, const HttpRequest& request, const HttpLimits& limits) {
  const auto set = curl_library().easy_setopt;
  const std::string_view method = request.method;
  set(handle, CURLOPT_LOW_SPEED_TIME, request.body != nullptr ? limits.digest_seconds : limits.low_speed_seconds);
  if (method == "GET") return;
  if (method == "HEAD") {
    set(handle, CURLOPT_NOBODY, 1L);
    return;
  }
  set(handle, CURLOPT_CUSTOMREQUEST, request.method);
  if (method == "DELETE") return;
  set(handle, CURLOPT_UPLOAD, 1L);
  set(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body != nullptr ? request.body->size : 0));
}

void set_options(CURL* handle, const HttpRequest& request, const HttpLimits& limits, Transfer& transfer, char* detail) {
  const auto set = curl_library().easy_setopt;
  const Url& url = request.url;
  set(handle, CURLOPT_URL, url.text().c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_USERAGENT, "sandbox/" SANDBOX_VERSION);
  set(handle, CURLOPT_CONNECTTIMEOUT, limits.connect_seconds);
  set(handle, CURLOPT_LOW_SPEED_LIMIT, limits.low_speed_bytes);
  set(handle, CURLOPT_SSL_VERIFYPEER, request.verify ? 1L : 0L);
  set(handle, CURLOPT_SSL_VERIFYHOST, request.verify ? 2L : 0L);
  set(handle, CURLOPT_HEADERFUNCTION, &header_callback);
  set(handle, CURLOPT_HEADERDATA, &transfer);
  set(handle, CURLOPT_WRITEFUNCTION, &body_callback);
  set(handle, CURLOPT_WRITEDATA, &transfer);
  set(handle, CURLOPT_READFUNCTION, &read_callback);
  set(handle, CURLOPT_READDATA, &transfer);
  set(handle, CURLOPT_BUFFERSIZE, 128L << 10);
  set(handle, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  set(handle, CURLOPT_ERRORBUFFER, detail);
  if (url.is_https()) set_trust(handle, trust_for(url.authority()));
  // A proxy from the environment can't reach this machine's loopback, and must not see its traffic.
  if (url.is_loopback()) set(handle, CURLOPT_NOPROXY, "*");
  // libcurl takes all the others as they are; this one could come from a request where a web server runs programs.
  const char* proxy = ::getenv("HTTP_PROXY");
  if (!url.is_https() && proxy != nullptr && ::getenv("http_proxy") == nullptr) set(handle, CURLOPT_PROXY, proxy);
  set_method(handle, request, limits);
}

}  // namespace

std::string HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

HttpBody text_body(std::string_view text) {
  return {text.size(), [text](std::uint64_t offset, std::span<std::byte> into) {
            const std::size_t at = static_cast<std::size_t>(std::min<std::uint64_t>(offset, text.size()));
            const std::size_t count = std::min(into.size(), text.size() - at);
            std::copy_n(text.data() + at, count, reinterpret_cast<char*>(into.data()));
            return count;
          }};
}

// A handle for one request, reset but for its connections.
class HttpConnections::Lease {
 public:
  explicit Lease(HttpConnections& pool) : pool_(pool) {
    {
      const std::scoped_lock lock(pool.mutex_);
      if (!pool.idle_.empty()) {
        handle_ = pool.idle_.back();
        pool.idle_.pop_back();
        return;
      }
    }
    handle_ = curl_library().easy_init();
    if (handle_ == nullptr) throw Error("libcurl has no memory");
  }
  ~Lease() {
    curl_library().easy_reset(handle_);
    const std::scoped_lock lock(pool_.mutex_);
    pool_.idle_.push_back(handle_);
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  CURL* get() const { return handle_; }

 private:
  HttpConnections& pool_;
  CURL* handle_ = nullptr;
};

HttpConnections::~HttpConnections() {
  for (void* handle : idle_) curl_library().easy_cleanup(handle);
}

HttpResponse HttpConnections::perform(const HttpRequest& request, const HttpSink& sink) {
  const CurlLibrary& curl = curl_library();
  const Lease handle(*this);
  Transfer transfer{.limits = limits_, .sink = sink, .body = request.body};
  char detail[CURL_ERROR_SIZE] = "";
  set_options(handle.get(), request, limits_, transfer, detail);
  std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> list(nullptr, curl.slist_free_all);
  const auto add = [&](const std::string& header) {
    curl_slist* longer = curl.slist_append(list.get(), header.c_str());
    if (longer == nullptr) throw Error("libcurl has no memory");
    static_cast<void>(list.release());
    list.reset(longer);
  };
  for (const std::string& header : request.headers) add(header);
  add("Expect:");  // Servers that don't know it would cost a second's wait.
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
