// Resource limits of a container, and the cgroup v2 files that hold them (kernel documentation,
// admin-guide/cgroup-v2.rst). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sandbox::cgroup {

enum class BlockLimit { weight, read_bps, write_bps, read_iops, write_iops };

/// Docker's words for them, which container.json has, too: "device-read-bps".
std::span<const char* const> words_of(BlockLimit);

/// How much of one disk.
struct DiskLimit {
  BlockLimit kind = BlockLimit::weight;
  std::string path;                    ///< As it was named: "/dev/sda".
  std::uint32_t major = 0, minor = 0;  ///< Which disk that is.
  std::uint64_t amount = 0;            ///< A weight of 10 … 1000, or bytes or operations in a second.

  bool operator==(const DiskLimit&) const = default;
};

/// Docker's meanings; 0 or an empty text: no limit, which is what a new cgroup has.
struct Limits {
  std::uint64_t memory = 0;              ///< Bytes.
  std::int64_t memory_swap = 0;          ///< Bytes of memory and swap together; 0: twice `memory`; -1: swap unlimited.
  std::uint64_t memory_reservation = 0;  ///< Bytes that are reclaimed last.
  std::uint64_t nano_cpus = 0;           ///< 10⁹ is one processor's whole time.
  std::uint64_t cpu_shares = 0;          ///< 2 … 262144, of cgroup v1; 1024 is the usual share.
  std::string cpuset_cpus, cpuset_mems;  ///< "0-2,4"
  std::uint64_t pids = 0;                ///< Processes and threads.
  std::uint64_t block_weight = 0;        ///< 10 … 1000, of cgroup v1, on all disks.
  std::vector<DiskLimit> disks;

  bool operator==(const Limits&) const = default;
};

/// One write into a cgroup's directory.
struct Setting {
  const char* option;  ///< The flag that asked for it, for messages.
  std::string file, value;
  bool optional = false;  ///< Not asked for in words: a kernel without the file has nothing to limit.
  std::string other_file, other_value;  ///< What to write on a kernel without `file`, if anything can be.

  std::string controller() const { return file.substr(0, file.find('.')); }
};

/// In the order of writing.
std::vector<Setting> plan_settings(const Limits& limits);
/// What to write where `before` is in force, so that `after` is.
std::vector<Setting> plan_changes(const Limits& before, const Limits& after);
/// The controllers that the settings need, each once.
std::vector<std::string> controllers_of(const std::vector<Setting>& settings);
/// The same limits without those that `setting`'s option asked for.
Limits without(Limits limits, const Setting& setting);

/// io.weight for a weight of cgroup v1, 10 … 1000. `whose`: "default", or a disk's "major:minor".
Setting block_weight(const char* option, const std::string& whose, std::uint64_t weight);

/// cpu.weight for cpu.shares: 2, 1024 and 262144 become 1, 100 and 10000, the least, usual and greatest weight.
std::uint64_t cpu_weight(std::uint64_t shares);

}  // namespace sandbox::cgroup
