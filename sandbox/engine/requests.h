// What the user asked `run` for, as plain data: one field per flag, words still unparsed. Any
// process; nothing here touches the kernel.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::engine {

struct HealthRequest {
  bool none = false;  ///< --no-healthcheck
  std::string command, interval, timeout, start_period, start_interval, retries;
};

struct RunRequest {
  std::string image;                  ///< Empty with `rootfs`.
  std::vector<std::string> command;
  std::optional<std::string> entrypoint;
  std::string name, hostname, user, workdir;
  std::vector<std::string> env, env_files, labels, annotations;
  bool env_host = false;              ///< The caller's environment, too.
  std::string time_zone;              ///< Of /usr/share/zoneinfo, or "local"; empty: the image's.
  bool replace = false;               ///< In the place of a container of that name.
  std::vector<std::string> volumes, mounts, tmpfs, volumes_from;
  std::string profile;                ///< What --profile has named; its options are among the others already.
  std::vector<std::string> secrets;
  std::string gpus;                   ///< "all", "device=0,1"; empty: none.
  std::vector<std::string> cap_add, cap_drop, security_options, ulimits;
  std::string network = "private";    ///< private, none, host, container:NAME, or defined: those of `networks`.
  std::vector<std::string> networks;  ///< NAME, or name=NAME,alias=A,ip=ADDRESS,mac-address=ADDRESS
  std::string ip, mac_address;
  std::vector<std::string> network_aliases, links;
  std::vector<std::string> publish, dns, dns_search, dns_options, add_hosts;
  bool publish_all = false;
  std::string userns, ipc, pid, uts, cgroupns;
  std::string domainname, oom_score_adj, umask, cpu_period, cpu_quota;
  std::vector<std::string> group_add, sysctls, devices, label_files, expose;
  bool privileged = false;
  bool passwd = false;                ///< The image's passwd and group files get the container's user.
  std::string restart, stop_timeout, log_driver;
  std::vector<std::string> log_options;
  HealthRequest health;
  std::string stop_signal, shm_size, platform, cidfile;
  std::string pull = "missing";
  std::string rootfs;                 ///< PATH or PATH:O
  std::string storage_driver;         ///< auto, overlay or fuse; empty: auto.
  std::vector<std::string> storage_options;  ///< size=10g, inodes=N
  std::string id_emulation;           ///< off, record or full; empty: what the range of ids leaves to do.
  std::string memory, memory_swap, memory_reservation, cpus, cpu_shares, cpuset_cpus, cpuset_mems, pids_limit;
  std::string blkio_weight;
  std::vector<std::string> blkio_weight_devices, device_read_bps, device_write_bps;  ///< PATH:AMOUNT
  std::vector<std::string> device_read_iops, device_write_iops;
  std::string systemd;                ///< auto (also empty), always or false
  std::string limits;                 ///< "strict" (also empty) or "best-effort"
  bool read_only = false, init = false, auto_remove = false, detach = false, interactive = false, terminal = false;
  bool print_plan = false, timings = false;
};

/// Who asks, and on which machine.
struct HostIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string hostname;
  std::vector<userns::IdMapping> range_uids, range_gids;  ///< Maps of the user's kept namespace; empty: one id only.
  bool has_fuse = false;  ///< /dev/fuse can be opened.
  bool notifies = false;  ///< The kernel can have calls answered by another process (seccomp_unotify(2)).
};

}  // namespace sandbox::engine
