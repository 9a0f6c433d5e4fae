// The table of capabilities and Docker's rules for --cap-add and --cap-drop. Pure but for prctl(2)
// questions; runs in the command's process.
#include "profiles/capabilities.h"

#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "sandbox/base/error.h"

namespace sandbox::profiles {
namespace {

// In the order of linux/capability.h: the index is the bit.
constexpr std::array<std::string_view, 41> names = {"CHOWN",
                                                    "DAC_OVERRIDE",
                                                    "DAC_READ_SEARCH",
                                                    "FOWNER",
                                                    "FSETID",
                                                    "KILL",
                                                    "SETGID",
                                                    "SETUID",
                                                    "SETPCAP",
                                                    "LINUX_IMMUTABLE",
                                                    "NET_BIND_SERVICE",
                                                    "NET_BROADCAST",
                                                    "NET_ADMIN",
                                                    "NET_RAW",
                                                    "IPC_LOCK",
                                                    "IPC_OWNER",
                                                    "SYS_MODULE",
                                                    "SYS_RAWIO",
                                                    "SYS_CHROOT",
                                                    "SYS_PTRACE",
                                                    "SYS_PACCT",
                                                    "SYS_ADMIN",
                                                    "SYS_BOOT",
                                                    "SYS_NICE",
                                                    "SYS_RESOURCE",
                                                    "SYS_TIME",
                                                    "SYS_TTY_CONFIG",
                                                    "MKNOD",
                                                    "LEASE",
                                                    "AUDIT_WRITE",
                                                    "AUDIT_CONTROL",
                                                    "SETFCAP",
                                                    "MAC_OVERRIDE",
                                                    "MAC_ADMIN",
                                                    "SYSLOG",
                                                    "WAKE_ALARM",
                                                    "BLOCK_SUSPEND",
                                                    "AUDIT_READ",
                                                    "PERFMON",
                                                    "BPF",
                                                    "CHECKPOINT_RESTORE"};

constexpr std::uint64_t bit(std::size_t index) { return std::uint64_t{1} << index; }

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

struct Choice {
  bool all = false;
  std::uint64_t set = 0;
};

Choice parse_choice(const std::vector<std::string>& list) {
  Choice choice;
  for (const std::string& name : list) {
    if (upper(name) == "ALL") {
      choice.all = true;
    } else {
      choice.set |= capability_bit(name);
    }
  }
  return choice;
}

}  // namespace

std::uint64_t default_capabilities() {
  static const std::uint64_t set = [] {
    std::uint64_t result = 0;
    for (const char* name : {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
                             "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}) {
      result |= capability_bit(name);
    }
    return result;
  }();
  return set;
}

std::uint64_t all_capabilities() {
  // PR_CAPBSET_READ answers 0 or 1 for a capability of this kernel and EINVAL beyond; it needs no /proc.
  std::uint64_t set = 0;
  for (std::size_t index = 0; index < 64 && ::prctl(PR_CAPBSET_READ, index, 0, 0, 0) >= 0; ++index) {
    set |= bit(index);
  }
  return set;
}

std::uint64_t capability_bit(std::string_view name) {
  const std::string whole = upper(name);
  std::string_view plain = whole;
  if (plain.starts_with("CAP_")) plain.remove_prefix(4);
  const auto found = std::ranges::find(names, plain);
  if (found == names.end()) throw UsageError(fmt::format("capability '{}': unknown name", name));
  return bit(static_cast<std::size_t>(found - names.begin()));
}

std::vector<std::string> capability_names(std::uint64_t set) {
  std::vector<std::string> result;
  for (std::size_t index = 0; index < 64; ++index) {
    if ((set & bit(index)) == 0) continue;
    // A capability newer than this program has only its number.
    result.push_back(index < names.size() ? fmt::format("CAP_{}", names[index]) : fmt::format("CAP_{}", index));
  }
  return result;
}

std::uint64_t apply_capability_options(std::uint64_t base, const std::vector<std::string>& add,
                                       const std::vector<std::string>& drop) {
  const Choice added = parse_choice(add);
  const Choice dropped = parse_choice(drop);
  if (added.all) return all_capabilities() & ~dropped.set;
  if (dropped.all) return added.set;
  return (base & ~dropped.set) | added.set;
}

}  // namespace sandbox::profiles
