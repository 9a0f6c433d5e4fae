// Which devices the processes of a cgroup may use: in cgroup v2 a BPF program decides (bpf(2),
// BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15; kernel documentation, admin-guide/cgroup-v2.rst, "Device controller"). The
// translation is pure; what attaches needs CAP_BPF (or CAP_SYS_ADMIN) and CAP_NET_ADMIN of the initial user namespace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

namespace sandbox::cgroup {

enum class DeviceType { any, character, block };

/// What may be done to a device, as bits (BPF_DEVCG_ACC_*).
inline constexpr std::uint32_t kMakeNode = 1, kReadDevice = 2, kWriteDevice = 4, kAllAccess = 7;

struct DeviceRule {
  bool allow = false;
  DeviceType type = DeviceType::any;
  std::optional<std::uint32_t> major, minor;  ///< None: every one.
  std::uint32_t access = kAllAccess;

  bool operator==(const DeviceRule&) const = default;
};

/// The program (struct bpf_insn[]) for rules of which, for each kind of access, the last one that fits decides. What
/// none fits is denied.
std::vector<std::byte> compile_device_rules(const std::vector<DeviceRule>& rules);

/// Hands the program to the kernel. EPERM: this process may not have any.
Result<Fd> load_device_program(const std::vector<std::byte>& program);
/// Puts a loaded one on a cgroup in place of the one that this function has put there before; those of others stay, and
/// all have to agree (BPF_F_ALLOW_MULTI). It counts for what is opened from then on. Throws SysError.
void attach_device_program(int cgroup, int program);

}  // namespace sandbox::cgroup
