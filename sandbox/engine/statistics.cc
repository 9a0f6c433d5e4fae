// See statistics.h.
#include "sandbox/engine/statistics.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/cgroup/directory.h"
#include "sandbox/container/own_processes.h"

namespace sandbox::engine {
namespace {

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Empty when the process is gone, or closed to us.
std::string text_of(const std::string& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return {};
  }
}

std::uint64_t machines_memory() {
  std::istringstream lines(text_of("/proc/meminfo"));
  std::string name;
  std::uint64_t kibibytes = 0;
  return lines >> name >> kibibytes && name == "MemTotal:" ? kibibytes << 10 : 0;
}

void add_cgroup(const cgroup::Directory& directory, Usage& usage) {
  usage.cpu = std::chrono::microseconds(cgroup::value_of(directory.text("cpu.stat"), "usage_usec"));
  // As Docker: what the kernel would give up first is no use.
  const std::uint64_t memory = number_of(directory.text("memory.current"));
  const std::uint64_t cache = cgroup::value_of(directory.text("memory.stat"), "inactive_file");
  usage.memory = memory > cache ? memory - cache : memory;
  if (const std::uint64_t limit = number_of(directory.text("memory.max")); limit != 0) {
    usage.memory_limit = std::min(limit, usage.memory_limit);
  }
  usage.processes = number_of(directory.text("pids.current"));
  add_io(directory.text("io.stat"), usage);
}

/// Without the controller's file a cgroup tells nothing, and /proc is asked.
bool tells(const cgroup::Directory& directory, const char* file) { return !directory.text(file).empty(); }

void add_processes(const container::Container& container, Usage& usage) {
  const long ticks = ::sysconf(_SC_CLK_TCK), page = ::sysconf(_SC_PAGESIZE);
  for (const int pid : container::processes_of(container)) {
    add_process(text_of(fmt::format("/proc/{}/stat", pid)), ticks, page, usage);
  }
}

}  // namespace

void add_io(std::string_view io_stat, Usage& usage) {
  std::istringstream words{std::string(io_stat)};
  for (std::string word; words >> word;) {
    if (word.starts_with("rbytes=")) usage.read += number_of(std::string_view(word).substr(7));
    if (word.starts_with("wbytes=")) usage.written += number_of(std::string_view(word).substr(7));
  }
}

void add_network(std::string_view net_dev, Usage& usage) {
  std::istringstream lines{std::string(net_dev)};
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;  // the two lines of the header
    std::istringstream words(line.substr(0, colon) + " " + line.substr(colon + 1));
    std::string name;
    std::uint64_t received = 0, skipped = 0, sent = 0;
    words >> name >> received;
    for (int i = 0; i < 7; ++i) words >> skipped;
    words >> sent;
    if (!words || name == "lo") continue;
    usage.received += received;
    usage.sent += sent;
  }
}

void add_process(std::string_view stat, long ticks_per_second, long page_size, Usage& usage) {
  const auto end = stat.rfind(')');  // of the command, which may hold anything
  if (end == std::string_view::npos) return;
  std::istringstream words{std::string(stat.substr(end + 1))};
  std::uint64_t fields[22] = {};  // from field 3 on (proc_pid_stat(5)); some are no numbers
  std::size_t count = 0;
  for (std::string word; count < std::size(fields) && words >> word;) fields[count++] = number_of(word);
  if (count < std::size(fields)) return;
  const auto field = [&](std::size_t number) { return fields[number - 3]; };
  const std::uint64_t time = field(14) + field(15) + field(16) + field(17);
  usage.cpu += std::chrono::nanoseconds(time * (1'000'000'000 / static_cast<std::uint64_t>(ticks_per_second)));
  usage.processes += field(20);
  usage.memory += field(24) * static_cast<std::uint64_t>(page_size);
}

Usage usage_of(const container::Container& container) {
  Usage usage;
  usage.at = std::chrono::steady_clock::now();
  usage.memory_limit = machines_memory();
  if (container.state.status != container::Status::running) return usage;
  const auto own = cgroup::Directory::find(container::cgroup_path(container));
  if (own && tells(*own, "memory.current") && tells(*own, "pids.current")) {
    add_cgroup(*own, usage);
  } else {
    add_processes(container, usage);
  }
  if (container.spec.plan.namespaces.network) {
    add_network(text_of(fmt::format("/proc/{}/net/dev", container.state.pid)), usage);
  }
  return usage;
}

double cpu_percent(const Usage& before, const Usage& after) {
  const std::chrono::duration<double> time = after.at - before.at, used = after.cpu - before.cpu;
  return time.count() > 0 && used.count() > 0 ? used / time * 100 : 0;
}

}  // namespace sandbox::engine
