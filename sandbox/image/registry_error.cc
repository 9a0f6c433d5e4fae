#include "sandbox/image/registry_error.h"

#include <algorithm>
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

namespace sandbox::image {
namespace {

constexpr int kLongestRetryAfter = 10;  // Seconds; beyond it the user is told instead.
constexpr std::size_t kLongestText = 300;

std::string text_of(const Json& error, const char* key) {
  const auto found = error.find(key);
  if (found == error.end() || !found->is_string()) return {};
  std::string text = found->get<std::string>().substr(0, kLongestText);
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

std::string registry_error(const std::string& body) {
  try {
    const Json document = parse_json(body, "the registry's answer");
    const Json& error = document.at("errors").at(0);
    std::string code = lower_case(text_of(error, "code"));
    std::ranges::replace(code, '_', ' ');
    const std::string message = text_of(error, "message");
    return message.empty() ? code : code + ": " + message;
  } catch (const InvalidInput&) {
    return {};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

bool is_worth_retrying(const HttpResponse& response) {
  if (response.failure != HttpFailure::none) {
    return response.failure == HttpFailure::connection || response.failure == HttpFailure::truncated;
  }
  return response.status == 429 || response.status >= 500;
}

std::chrono::milliseconds back_off(const HttpResponse& response, int attempt) {
  const std::string after = response.header("retry-after");
  int seconds = 0;
  const auto [end, error] = std::from_chars(after.data(), after.data() + after.size(), seconds);
  if (error == std::errc::result_out_of_range || seconds > kLongestRetryAfter) return std::chrono::seconds(-1);
  if (error == std::errc{} && seconds >= 0) return std::chrono::seconds(seconds);
  return std::chrono::milliseconds(250 << attempt);
}

}  // namespace sandbox::image
