// The flags of `run` and `create`, and their translation into a request.
#pragma once

#include "sandbox/cli/options.h"
#include "sandbox/engine/requests.h"

namespace sandbox::cli {

inline constexpr Option kRunOptions[] = {
    {"add-host", '\0', "list", "Add a custom host-to-IP mapping (host:ip)"},
    {"cap-add", '\0', "list", "Add Linux capabilities"},
    {"cap-drop", '\0', "list", "Drop Linux capabilities"},
    {"cgroupns", '\0', "string", "Cgroup namespace to use (host|private)"},
    {"cidfile", '\0', "string", "Write the container ID to the file"},
    {"cpu-shares", 'c', "int", "CPU shares (relative weight)"},
    {"cpus", '\0', "decimal", "Number of CPUs"},
    {"cpuset-cpus", '\0', "string", "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", '\0', "string", "MEMs in which to allow execution (0-3, 0,1)"},
    {"detach", 'd', nullptr, "Run container in background and print container ID"},
    {"dns", '\0', "list", "Set custom DNS servers"},
    {"dns-option", '\0', "list", "Set DNS options"},
    {"dns-search", '\0', "list", "Set custom DNS search domains"},
    {"entrypoint", '\0', "string", "Overwrite the default ENTRYPOINT of the image"},
    {"env", 'e', "list", "Set environment variables"},
    {"env-file", '\0', "list", "Read in a file of environment variables"},
    {"health-cmd", '\0', "string", "Command to run to check health"},
    {"health-interval", '\0', "duration", "Time between running the check (ms|s|m|h) (default 30s)"},
    {"health-retries", '\0', "int", "Consecutive failures needed to report unhealthy (default 3)"},
    {"health-start-interval", '\0', "duration", "Time between running the check during the start period (ms|s|m|h) (default 5s)"},
    {"health-start-period", '\0', "duration", "Start period for the container to initialize before starting "
                                             "health-retries countdown (ms|s|m|h) (default 0s)"},
    {"health-timeout", '\0', "duration", "Maximum time to allow one check to run (ms|s|m|h) (default 30s)"},
    {"hostname", 'h', "string", "Container host name"},
    {"id-emulation", '\0', "string", "Owners and ids that one user id can't have: recorded (record), shown, too (full), or refused (off)"},
    {"init", '\0', nullptr, "Run an init inside the container that forwards signals and reaps processes"},
    {"interactive", 'i', nullptr, "Keep STDIN open even if not attached"},
    {"ipc", '\0', "string", "IPC namespace to use (host|private)"},
    {"label", 'l', "list", "Set meta data on a container"},
    {"limits", '\0', "string", "Resource limits that can't be set: an error (strict) or a warning (best-effort)"},
    {"log-driver", '\0', "string", "Logging driver for the container (json-file|local|journald|none)"},
    {"log-opt", '\0', "list", "Log driver options (max-size=10m, max-file=3)"},
    {"memory", 'm', "bytes", "Memory limit"},
    {"memory-reservation", '\0', "bytes", "Memory soft limit"},
    {"memory-swap", '\0', "bytes", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"},
    {"mount", '\0', "mount", "Attach a filesystem mount to the container"},
    {"name", '\0', "string", "Assign a name to the container"},
    {"network", '\0', "network", "Connect a container to a network (none|private|host)"},
    {"net", '\0', "network", "The same as --network"},
    {"no-healthcheck", '\0', nullptr, "Disable any container-specified HEALTHCHECK"},
    {"pid", '\0', "string", "PID namespace to use (host|private)"},
    {"pids-limit", '\0', "int", "Tune container pids limit"},
    {"platform", '\0', "string", "Set platform if the registry's image has several"},
    {"print-plan", '\0', nullptr, "Print what would be done as JSON, and run nothing"},
    {"publish", 'p', "list", "Publish a container's port(s) to the host"},
    {"publish-all", 'P', nullptr, "Publish all exposed ports to random ports"},
    {"pull", '\0', "string", "Pull image before running (\"always\", \"missing\", \"never\") (default \"missing\")"},
    {"read-only", '\0', nullptr, "Mount the container's root filesystem as read only"},
    {"restart", '\0', "string", "Restart policy to apply when a container exits (default \"no\")"},
    {"rm", '\0', nullptr, "Automatically remove the container when it exits"},
    {"rootfs", '\0', "string", "Run a root directory instead of an image; PATH:O keeps writes out of it"},
    {"security-opt", '\0', "list", "Security Options"},
    {"shm-size", '\0', "bytes", "Size of /dev/shm"},
    {"stop-signal", '\0', "string", "Signal to stop the container"},
    {"stop-timeout", '\0', "int", "Timeout (in seconds) to stop a container"},
    {"storage-driver", '\0', "string", "Who merges the image's layers: overlay (the kernel), fuse, or auto"},
    {"storage-opt", '\0', "list", "Storage driver options for the container (size=10g, inodes=N)"},
    {"timings", '\0', nullptr, "Print on standard error where the time of the start went"},
    {"tmpfs", '\0', "list", "Mount a tmpfs directory"},
    {"tty", 't', nullptr, "Allocate a pseudo-TTY"},
    {"ulimit", '\0', "ulimit", "Ulimit options"},
    {"user", 'u', "string", "Username or UID (format: <name|uid>[:<group|gid>])"},
    {"userns", '\0', "string", "User namespace to use (keep-id|host)"},
    {"uts", '\0', "string", "UTS namespace to use (host|private)"},
    {"volume", 'v', "list", "Bind mount a volume"},
    {"volumes-from", '\0', "list", "Mount volumes from the specified container(s)"},
    {"workdir", 'w', "string", "Working directory inside the container"},
};

/// On standard error, for --timings.
void print_timings(const std::string& text);

/// Throws UsageError, in particular without an image; `command` is the word it was called by.
engine::RunRequest run_request(const Arguments& arguments, const char* command);

/// Lines for the user's eyes while a command works.
void notice(const std::string& line);

}  // namespace sandbox::cli
