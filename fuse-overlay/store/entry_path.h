// Names inside a layer archive: from a stranger's bytes to a path relative to the layer's root.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sandbox::overlay {

/// Components of a path in a layer, and so levels of its tree.
inline constexpr std::size_t kMaxDepth = 1000;

/// `name` without leading "/" and "./", empty and "." components: "a/b". "" is the root itself.
/// Throws InvalidInput for an empty name, a ".." component, more than kMaxDepth components or a path
/// that the kernel couldn't take whole (PATH_MAX).
std::string normalize_entry_path(std::string_view name);

/// "a/b" → "a", "a" → "".
std::string_view parent_of(std::string_view path);
/// "a/b" → "b", "a" → "a".
std::string_view leaf_of(std::string_view path);

/// A name for error messages: bounded, control characters replaced.
std::string printable(std::string_view name);

}  // namespace sandbox::overlay
