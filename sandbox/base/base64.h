// Base64 (RFC 4648 section 4) of credentials and secrets. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandbox {

std::string base64(std::string_view bytes);
/// None when the text is no base64; a missing padding is forgiven.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace sandbox
