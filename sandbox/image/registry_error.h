// What a registry says went wrong, and whether trying again is worth it. Pure.
#pragma once

#include <chrono>
#include <string>

#include "sandbox/image/http.h"

namespace sandbox::image {

/// "denied: requested access to the resource is denied": the first error of an answer's body in Docker's words
/// (distribution-spec, "Error Codes"); empty when it holds none. Fit for a terminal.
std::string registry_error(const std::string& body);

/// Connections that failed or were cut, 429 and 5xx.
bool is_worth_retrying(const HttpResponse& response);

/// How long to wait before try number `attempt` + 1; negative: longer than anybody should wait.
std::chrono::milliseconds back_off(const HttpResponse& response, int attempt);

inline constexpr int most_retries = 3;

}  // namespace sandbox::image
