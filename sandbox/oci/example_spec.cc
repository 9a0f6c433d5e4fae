#include "sandbox/oci/example_spec.h"

#include "sandbox/base/json.h"
#include "sandbox/oci/runtime_spec.h"

namespace sandbox::oci {
namespace {

OrderedJson process() {
  const OrderedJson capabilities{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  return {{"terminal", true},
          {"user", {{"uid", 0}, {"gid", 0}}},
          {"args", OrderedJson::array({"sh"})},
          {"env", {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"}},
          {"cwd", "/"},
          {"capabilities", {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
          {"rlimits", OrderedJson::array({{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}})},
          {"noNewPrivileges", true}};
}

OrderedJson mount(const char* destination, const char* type, const char* source,
              std::initializer_list<const char*> options) {
  OrderedJson entry{{"destination", destination}, {"type", type}, {"source", source}};
  if (options.size() > 0) entry["options"] = options;
  return entry;
}

/// An ordinary user can't make a sysfs of the host's network namespace, nor give a terminal to a group that isn't
/// mapped.
OrderedJson mounts(bool rootless) {
  OrderedJson list = OrderedJson::array();
  list.push_back(mount("/proc", "proc", "proc", {}));
  list.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  if (rootless) {
    list.push_back(
        mount("/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}));
  } else {
    list.push_back(mount("/dev/pts", "devpts", "devpts",
                         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  }
  list.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  list.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  if (rootless) {
    list.push_back(mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}));
  } else {
    list.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
  }
  list.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  return list;
}

OrderedJson linux_part(const std::optional<RootlessIds>& rootless) {
  OrderedJson part = OrderedJson::object();
  const auto map = [](std::uint32_t id) { return OrderedJson::array({{{"containerID", 0}, {"hostID", id}, {"size", 1}}}); };
  if (rootless) {
    part["uidMappings"] = map(rootless->uid);
    part["gidMappings"] = map(rootless->gid);
  } else {
    part["resources"] = {{"devices", OrderedJson::array({{{"allow", false}, {"access", "rwm"}}})}};
  }
  OrderedJson namespaces = OrderedJson::array();
  for (const char* type : {"pid", "ipc", "uts", "mount", "cgroup"}) namespaces.push_back({{"type", type}});
  namespaces.push_back({{"type", rootless ? "user" : "network"}});
  part["namespaces"] = std::move(namespaces);
  part["maskedPaths"] = {"/proc/acpi",          "/proc/asound",     "/proc/kcore",       "/proc/keys",
                         "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                         "/sys/firmware",       "/proc/scsi"};
  part["readonlyPaths"] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  return part;
}

}  // namespace

std::string example_spec(const std::optional<RootlessIds>& rootless) {
  const OrderedJson spec{{"ociVersion", kSpecVersion},
                     {"process", process()},
                     {"root", {{"path", "rootfs"}, {"readonly", true}}},
                     {"hostname", "sandbox"},
                     {"mounts", mounts(rootless.has_value())},
                     {"linux", linux_part(rootless)}};
  return spec.dump(1, '\t') + "\n";
}

}  // namespace sandbox::oci
