#include "sandbox/runtime/processes.h"

#include <unistd.h>

#include <algorithm>

#include "sandbox/base/process_table.h"

namespace sandbox::runtime {

std::vector<int> processes_of(const Record& record) {
  (void)open_process(record);
  std::vector<int> pids = processes_beside(record.pid);
  // A process that waits for `start` shows its namespaces to nobody, and one may have been left in ours.
  const bool own_namespace = !pids.empty() && !std::ranges::binary_search(pids, ::getpid());
  return own_namespace ? pids : processes_below(record.pid);
}

}  // namespace sandbox::runtime
