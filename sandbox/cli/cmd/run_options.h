// The flags of `run` and `create`, and their translation into a request.
#pragma once

#include "sandbox/cli/options.h"
#include "sandbox/engine/requests.h"

namespace sandbox::cli {

inline constexpr Option kRunOptions[] = {
    {"add-host", '\0', "list", "Add a custom host-to-IP mapping (host:ip)"},
    {"annotation", '\0', "map", "Add an annotation to the container"},
    {"attach", 'a', "list", "Attach to STDIN, STDOUT or STDERR"},
    {"blkio-weight", '\0', "uint16", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)"},
    {"blkio-weight-device", '\0', "list", "Block IO weight (relative device weight)"},
    {"cap-add", '\0', "list", "Add Linux capabilities"},
    {"cap-drop", '\0', "list", "Drop Linux capabilities"},
    {"cgroupns", '\0', "string", "Cgroup namespace to use (host|private), or that of container:<name|id>"},
    {"cidfile", '\0', "string", "Write the container ID to the file"},
    {"cpu-period", '\0', "int", "Limit CPU CFS (Completely Fair Scheduler) period"},
    {"cpu-quota", '\0', "int", "Limit CPU CFS (Completely Fair Scheduler) quota"},
    {"cpu-shares", 'c', "int", "CPU shares (relative weight)"},
    {"cpus", '\0', "decimal", "Number of CPUs"},
    {"cpuset-cpus", '\0', "string", "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", '\0', "string", "MEMs in which to allow execution (0-3, 0,1)"},
    {"detach", 'd', nullptr, "Run container in background and print container ID"},
    {"detach-keys", '\0', "string", "Override the key sequence for detaching a container"},
    {"device", '\0', "list", "Add a host device to the container"},
    {"device-read-bps", '\0', "list", "Limit read rate (bytes per second) from a device"},
    {"device-read-iops", '\0', "list", "Limit read rate (IO per second) from a device"},
    {"device-write-bps", '\0', "list", "Limit write rate (bytes per second) to a device"},
    {"device-write-iops", '\0', "list", "Limit write rate (IO per second) to a device"},
    {"dns", '\0', "list", "Set custom DNS servers"},
    {"dns-opt", '\0', "list", "The same as --dns-option"},
    {"dns-option", '\0', "list", "Set DNS options"},
    {"dns-search", '\0', "list", "Set custom DNS search domains"},
    {"domainname", '\0', "string", "Container NIS domain name"},
    {"entrypoint", '\0', "string", "Overwrite the default ENTRYPOINT of the image"},
    {"env", 'e', "list", "Set environment variables"},
    {"env-file", '\0', "list", "Read in a file of environment variables"},
    {"env-host", '\0', nullptr, "Use the caller's environment in the container"},
    {"expose", '\0', "list", "Expose a port or a range of ports"},
    {"gpus", '\0', "gpu-request", "GPU devices to add to the container ('all' to pass all GPUs)"},
    {"group-add", '\0', "list", "Add additional groups to join; keep-groups: those of the caller"},
    {"health-cmd", '\0', "string", "Command to run to check health"},
    {"health-interval", '\0', "duration", "Time between running the check (ms|s|m|h) (default 30s)"},
    {"health-retries", '\0', "int", "Consecutive failures needed to report unhealthy (default 3)"},
    {"health-start-interval", '\0', "duration",
     "Time between running the check during the start period (ms|s|m|h) (default 5s)"},
    {"health-start-period", '\0', "duration",
     "Start period for the container to initialize before starting "
     "health-retries countdown (ms|s|m|h) (default 0s)"},
    {"health-timeout", '\0', "duration", "Maximum time to allow one check to run (ms|s|m|h) (default 30s)"},
    {"hostname", 'h', "string", "Container host name"},
    {"id-emulation", '\0', "string",
     "Owners and ids that one user id can't have: recorded (record), shown, too (full), or refused (off)"},
    {"init", '\0', nullptr, "Run an init inside the container that forwards signals and reaps processes"},
    {"interactive", 'i', nullptr, "Keep STDIN open even if not attached"},
    {"ip", '\0', "ip", "IPv4 address (e.g., 172.30.100.104)"},
    {"ipc", '\0', "string", "IPC namespace to use (host|private|shareable|none), or that of container:<name|id>"},
    {"label", 'l', "list", "Set meta data on a container"},
    {"label-file", '\0', "list", "Read in a line delimited file of labels"},
    {"limits", '\0', "string", "Resource limits that can't be set: an error (strict) or a warning (best-effort)"},
    {"link", '\0', "list", "Add link to another container (CONTAINER[:ALIAS])"},
    {"log-driver", '\0', "string", "Logging driver for the container (json-file|local|journald|none)"},
    {"log-opt", '\0', "list", "Log driver options (max-size=10m, max-file=3)"},
    {"mac-address", '\0', "string", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"},
    {"memory", 'm', "bytes", "Memory limit"},
    {"memory-reservation", '\0', "bytes", "Memory soft limit"},
    {"memory-swap", '\0', "bytes", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"},
    {"mount", '\0', "mount", "Attach a filesystem mount to the container"},
    {"name", '\0', "string", "Assign a name to the container"},
    {"network", '\0', "network", "Connect a container to a network (none|private|host), to those that are "
     "named (list), or to that of container:<name|id>"},
    {"net", '\0', "network", "The same as --network"},
    {"net-alias", '\0', "list", "The same as --network-alias"},
    {"network-alias", '\0', "list", "Add network-scoped alias for the container"},
    {"no-healthcheck", '\0', nullptr, "Disable any container-specified HEALTHCHECK"},
    {"oom-score-adj", '\0', "int", "Tune host's OOM preferences (-1000 to 1000)"},
    {"passwd", '\0', nullptr, "Have the container's user in its /etc/passwd (default true)"},
    {"pid", '\0', "string", "PID namespace to use (host|private), or that of container:<name|id>"},
    {"pids-limit", '\0', "int", "Tune container pids limit"},
    {"platform", '\0', "string", "Set platform if the registry's image has several"},
    {"preserve-fds", '\0', "uint", "Pass N file descriptors, from 3 on, to the container's process"},
    {"print-plan", '\0', nullptr, "Print what would be done as JSON, and run nothing"},
    {"privileged", '\0', nullptr, "Give all that the user has: capabilities, system calls, /proc and /sys"},
    {"profile", '\0', "string", "Take the options of a named profile, under those that are given here"},
    {"publish", 'p', "list", "Publish a container's port(s) to the host"},
    {"publish-all", 'P', nullptr, "Publish all exposed ports to random ports"},
    {"pull", '\0', "string", "Pull image before running (\"always\", \"missing\", \"never\") (default \"missing\")"},
    {"quiet", 'q', nullptr, "Suppress the pull output"},
    {"read-only", '\0', nullptr, "Mount the container's root filesystem as read only"},
    {"replace", '\0', nullptr, "Remove a container of the same name first"},
    {"restart", '\0', "string", "Restart policy to apply when a container exits (default \"no\")"},
    {"rm", '\0', nullptr, "Automatically remove the container when it exits"},
    {"rootfs", '\0', "string", "Run a root directory instead of an image; PATH:O keeps writes out of it"},
    {"secret", '\0', "list", "Give the container a secret (NAME[,type=mount|env,target=…,uid=,gid=,mode=])"},
    {"security-opt", '\0', "list", "Security Options"},
    {"shm-size", '\0', "bytes", "Size of /dev/shm"},
    {"sig-proxy", '\0', nullptr, "Proxy received signals to the process (default true)"},
    {"stop-signal", '\0', "string", "Signal to stop the container"},
    {"stop-timeout", '\0', "int", "Timeout (in seconds) to stop a container"},
    {"storage-driver", '\0', "string", "Who merges the image's layers: overlay (the kernel), fuse, or auto"},
    {"storage-opt", '\0', "list", "Storage driver options for the container (size=10g, inodes=N)"},
    {"sysctl", '\0', "map", "Sysctl options"},
    {"systemd", '\0', "string", "Whether the container boots a system that divides its own cgroup (auto|always|false)"},
    {"timings", '\0', nullptr, "Print on standard error where the time of the start went"},
    {"tmpfs", '\0', "list", "Mount a tmpfs directory"},
    {"tty", 't', nullptr, "Allocate a pseudo-TTY"},
    {"tz", '\0', "string", "Set the time zone of the container"},
    {"ulimit", '\0', "ulimit", "Ulimit options"},
    {"umask", '\0', "string", "Set the umask inside the container (octal)"},
    {"user", 'u', "string", "Username or UID (format: <name|uid>[:<group|gid>])"},
    {"userns", '\0', "string", "User namespace to use (keep-id|host), or that of container:<name|id>"},
    {"uts", '\0', "string", "UTS namespace to use (host|private), or that of container:<name|id>"},
    {"volume", 'v', "list", "Bind mount a volume"},
    {"volumes-from", '\0', "list", "Mount volumes from the specified container(s)"},
    {"workdir", 'w', "string", "Working directory inside the container"},
};

inline constexpr const char* kNoCgroupParent = "a user's containers are in the cgroup that was delegated to the user";
inline constexpr const char* kNoKernelLimit = "cgroups of version 2 have no such limit";
inline constexpr const char* kRealtime = "realtime scheduling is root's";
inline constexpr const char* kOfWindows = "it is for containers of Windows";
inline constexpr const char* kIpv4 = "networks in user space are IPv4 here, and each container has one address in each";
/// What Docker has and an ordinary user can't have, or can't have yet.
inline constexpr RefusedOption kRefusedRunOptions[] = {
    {"cgroup-parent", kNoCgroupParent},
    {"cpu-count", kOfWindows},
    {"cpu-percent", kOfWindows},
    {"cpu-rt-period", kRealtime},
    {"cpu-rt-runtime", kRealtime},
    {"device-cgroup-rule", "rules for devices are root's; a container opens what its user may open, see --device"},
    {"io-maxbandwidth", kOfWindows},
    {"io-maxiops", kOfWindows},
    {"ip6", kIpv4},
    {"isolation", kOfWindows},
    {"kernel-memory", kNoKernelLimit},
    {"link-local-ip", kIpv4},
    {"memory-swappiness", "cgroups of version 2 have no such setting"},
    {"oom-kill-disable", "cgroups of version 2 have no such setting"},
    {"runtime", "containers are run by this program itself"},
    {"use-api-socket", "there is no daemon whose socket could be given"},
    {"volume-driver", "volumes are directories of the store"},
};

/// The streams that --attach names; all without.
struct AttachedStreams {
  bool in = true, out = true, err = true;
};
/// Throws FlagError.
AttachedStreams attached_streams(const Arguments& arguments);

/// On standard error, for --timings.
void print_timings(const std::string& text);

/// Throws UsageError, in particular without an image; `command` is the word it was called by.
engine::RunRequest run_request(const Arguments& arguments, const char* command);

/// The limits that a command's words ask for; of those that it has no option for, none.
void read_limits(const Arguments& arguments, engine::RunRequest& request);

/// Lines for the user's eyes while a command works.
void notice(const std::string& line);
/// With --quiet: warnings alone.
void silence(const std::string& line);

}  // namespace sandbox::cli
