// Compiled seccomp filters, kept in the runtime's state directory: engines give one profile to most containers, and to
// compile it takes several times as long as all the rest of making a container. A filter's file name is the digest of
// what it was compiled from; it may vanish at any time. Runs in the command's process.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::runtime {

using Filter = std::vector<std::byte>;  ///< struct sock_filter[].

/// A filter as a file's content.
std::string_view text_of(const Filter& filter);
/// Throws SysError; InvalidInput for what can be no filter.
Filter read_filter(const std::string& path);

/// What `compile` returned when `source` came here before, else what it returns now. `directory` is private to the
/// caller and is made when it is missing; empty: nothing is kept. Throws what `compile` throws.
Filter cached_filter(const std::string& directory, const std::string& source, const std::function<Filter()>& compile);

}  // namespace sandbox::runtime
