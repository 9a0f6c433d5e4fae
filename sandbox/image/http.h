// HTTP requests over libcurl, bounded in every direction. Runs in the process that pulls or pushes, in any of its
// threads.
//
// Nothing is followed, retried or authenticated here: registry_client.h decides that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/image/http_url.h"

namespace sandbox::image {

struct HttpLimits {
  long connect_seconds = 10;
  long low_speed_bytes = 1024;  ///< Per second …
  long low_speed_seconds = 20;  ///< … over this long, or the transfer is given up.
  long digest_seconds = 300;    ///< In place of that for a request with a body: its receiver may have much to check.
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

/// What is sent with a request.
struct HttpBody {
  std::uint64_t size = 0;
  /// Fills `into` with what begins at `offset`, as far as it goes; what it throws ends the transfer.
  std::function<std::size_t(std::uint64_t offset, std::span<std::byte> into)> read;
};

/// `text` is borrowed.
HttpBody text_body(std::string_view text);

struct HttpRequest {
  const char* method = "GET";
  Url url;
  std::vector<std::string> headers;
  const HttpBody* body = nullptr;  ///< Borrowed. None: an empty one for POST, PUT and PATCH.
  bool verify = true;              ///< Whether the server has to show that it is who it should be.
};

/// Connections that are kept open from one request to the next. Any number of threads may send at once.
class HttpConnections {
 public:
  explicit HttpConnections(const HttpLimits& limits) : limits_(limits) {}
  ~HttpConnections();
  HttpConnections(const HttpConnections&) = delete;
  HttpConnections& operator=(const HttpConnections&) = delete;

  /// `sink` gets the body of a 2xx answer; what it throws ends the transfer and is thrown
  /// from here. Bodies of other answers are cut at 64 KiB. Throws InvalidInput beyond a limit.
  HttpResponse perform(const HttpRequest& request, const HttpSink& sink = {});

 private:
  class Lease;
  HttpLimits limits_;
  std::mutex mutex_;
  std::vector<void*> idle_;  ///< CURL handles, each with its connections.
};

}  // namespace sandbox::image
