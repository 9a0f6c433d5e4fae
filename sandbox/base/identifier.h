// Random identifiers and the rules for names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sandbox {

/// `digits` random lower-case hexadecimal digits from getrandom(2); at most 64.
std::string random_hex(std::size_t digits);

/// 64 of them. The first twelve, which are a container's name among others, are no number: resolvers take that for an
/// address.
std::string random_container_id();

/// Whether `text` is so many lower-case hexadecimal digits.
bool is_hex(std::string_view text, std::size_t digits);

/// Docker's rule for container and volume names: [a-zA-Z0-9][a-zA-Z0-9_.-]+, at most 255 bytes.
bool is_valid_name(std::string_view name);

}  // namespace sandbox
