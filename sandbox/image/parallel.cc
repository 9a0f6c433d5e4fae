#include "sandbox/image/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace sandbox::image {

void in_parallel(std::size_t count, std::size_t threads,
                 const std::function<void(std::size_t number, const std::stop_token& stop)>& act) {
  std::stop_source source;
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr error;
  const auto work = [&] {
    while (!source.stop_requested()) {
      const std::size_t number = next++;
      if (number >= count) return;
      try {
        act(number, source.get_token());
      } catch (...) {
        const std::scoped_lock lock(mutex);
        if (!error) error = std::current_exception();  // what the others throw follows from being stopped
        source.request_stop();
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min(threads, count); ++i) others.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace sandbox::image
