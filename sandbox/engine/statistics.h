// What running containers use: from their cgroups, or where they have none of their own, from /proc. Any process.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "sandbox/container/container_store.h"

namespace sandbox::engine {

/// Since the container's start, but for memory and processes, which are of now. Bytes.
struct Usage {
  std::chrono::steady_clock::time_point at{};
  std::chrono::nanoseconds cpu{};  ///< Time of processors.
  std::uint64_t memory = 0;        ///< Without a cgroup pages that processes share count once for each.
  std::uint64_t memory_limit = 0;  ///< Its own, or what the machine has.
  std::uint64_t received = 0, sent = 0;  ///< By its interfaces; of the host's network nothing is its own.
  std::uint64_t read = 0, written = 0;   ///< From and to disks, as far as the kernel tells.
  std::uint64_t processes = 0;           ///< Threads, as the kernel's limit counts them.
};

/// All zero but for the limit of one that does not run.
Usage usage_of(const container::Container& container);

/// Of one processor, in percent, between two looks.
double cpu_percent(const Usage& before, const Usage& after);

// The parts of it that read the kernel's words. Pure.

/// Sums over the lines of io.stat ("8:0 rbytes=1 wbytes=2 …").
void add_io(std::string_view io_stat, Usage& usage);
/// Sums over the interfaces in /proc/net/dev but for lo.
void add_network(std::string_view net_dev, Usage& usage);
/// Of /proc/<pid>/stat: time of the process and of children it has waited for, memory, threads.
void add_process(std::string_view stat, long ticks_per_second, long page_size, Usage& usage);

}  // namespace sandbox::engine
