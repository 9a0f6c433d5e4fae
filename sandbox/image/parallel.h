// Work shared by a few threads.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace sandbox::image {

/// Calls act(0) … act(count - 1), several at once in up to `threads` threads, and returns when all have ended. The
/// first exception asks the others to stop and is thrown then. No thread is left.
void in_parallel(std::size_t count, std::size_t threads,
                 const std::function<void(std::size_t number, const std::stop_token& stop)>& act);

}  // namespace sandbox::image
