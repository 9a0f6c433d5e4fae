// Urls as libcurl reads them: see http_url.h.
#include "sandbox/image/http_url.h"

#include <arpa/inet.h>

#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/image/curl_library.h"

namespace sandbox::image {
namespace {

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

}  // namespace

Url Url::from(void* pointer) {
  CURLU* handle = static_cast<CURLU*>(pointer);
  const std::string scheme = url_part(handle, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") throw InvalidInput("the registry gave a url that is not http");
  Url url;
  url.https_ = scheme == "https";
  url.text_ = url_part(handle, CURLUPART_URL);
  url.host_ = lower_case(url_part(handle, CURLUPART_HOST));
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

std::string form_encoded(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string form;
  for (const auto& [name, value] : fields) {
    form += (form.empty() ? "" : "&") + name + "=";
    for (const char c : value) {
      const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                         c == '_' || c == '.' || c == '~';
      form += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return form;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

}  // namespace sandbox::image
