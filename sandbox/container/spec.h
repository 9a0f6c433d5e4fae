// What a container is: everything decided at `create`, kept as container.json in its directory. That is two lines of
// JSON: the head, which listings and lookups read alone, and the rest. Before version 13 it was one, with everything.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/cgroup/limits.h"
#include "userns/launch_plan.h"

namespace sandbox::container {

/// `-p [ip:]host:container[/udp]`
struct PublishedPort {
  std::string host_ip = "0.0.0.0";
  std::uint16_t host_port = 0;  ///< 0: a free one at every start; State::host_ports tells which.
  std::uint16_t container_port = 0;
  bool udp = false;
};

/// What the caller has said over the image's config (image-spec config.md): `commit` writes it into the new image.
struct OwnConfig {
  std::vector<std::string> env;         ///< Assignments.
  bool replaces_entrypoint = false;     ///< The image's entrypoint and command mean nothing.
  std::vector<std::string> entrypoint;  ///< Empty: none.
  std::vector<std::string> command;     ///< Empty: the image's.
  std::string user, working_directory;  ///< Empty: the image's.
};

/// A process that a container belongs to, such as a build's step: it goes with that, whatever state it is in.
struct Owner {
  int pid = 0;              ///< 0: none.
  std::uint64_t start = 0;  ///< As State::supervisor_start.
};

inline constexpr int usual_stop_time = 10;  ///< Seconds.

enum class RestartWhen { no, on_failure, always, unless_stopped };

struct RestartPolicy {
  RestartWhen when = RestartWhen::no;
  int most = 0;  ///< Of on_failure: so many times; 0: without a bound.

  bool operator==(const RestartPolicy&) const = default;
};

/// Docker's defaults; times in nanoseconds.
struct HealthPlan {
  std::vector<std::string> test;  ///< As Docker has it: {"CMD", …}, {"CMD-SHELL", …}, {"NONE"}; empty: none.
  std::vector<std::string> argv;  ///< What that means; empty: nothing is checked.
  std::int64_t interval = 30'000'000'000, timeout = 30'000'000'000;
  std::int64_t start_period = 0;  ///< Failures in its first time don't count, until a check has succeeded,
  std::int64_t start_interval = 5'000'000'000;  ///< and checks are made so often.
  int retries = 3;
};

enum class LogDriver { json_file, local, journald, none };

struct LogPlan {
  LogDriver driver = LogDriver::json_file;
  std::uint64_t most_bytes = 0;  ///< Of a file; 0: without a bound.
  int most_files = 1;
  std::map<std::string, std::string> options;  ///< --log-opt, as given.
};

/// A variable of the container's process whose value is in a file of the container's directory: `inspect` shows what is
/// in the plan.
struct SecretVariable {
  std::string name, file;
};

/// What the plan mounts by the user's wish.
struct MountPoint {
  std::string name;  ///< Of a volume; empty: a directory or file of the host.
  std::string source, destination;
  bool writable = true;
  bool of_image = false;  ///< The source is its top-most layer.
};

/// A user-defined network that it is on.
struct Attachment {
  std::string network;           ///< Its ID.
  std::string name;              ///< What it was called then.
  std::string address;           ///< Empty: a free one at every start.
  std::string hardware_address;  ///< Empty: one that follows from the address.
  std::vector<std::string> aliases;
  std::vector<std::string> links;  ///< "NAME:ALIAS": what it alone calls another container there.
};

/// What its resolv.conf and hosts files say beyond what follows from its networks.
struct NameService {
  std::vector<std::string> servers, search, options;
  std::vector<std::string> hosts;  ///< "NAME:ADDRESS"
};

/// What listings and lookups go by.
struct SpecHead {
  std::string id;     ///< 64 lower-case hex digits
  std::string name;
  std::string image;        ///< As the user wrote it, for `ps`.
  std::string image_id;     ///< "sha256:…" of the config; empty with --rootfs.
  std::int64_t created = 0; ///< Seconds since the epoch.
  std::uint32_t created_nanoseconds = 0;  ///< Beyond them: what was made within one second has an order, too.
  std::map<std::string, std::string> labels;
  std::vector<PublishedPort> ports;
  bool auto_remove = false;
  Owner owner;  ///< Its end ends the container; lists don't show one that has an owner.
  RestartPolicy restart;
  // What the plan says, in short: ContainerStore sees to it that they agree.
  std::vector<std::string> command;
  std::string network;  ///< "bridge", "none", "host", "container:ID" or the first attachment's name
  std::vector<Attachment> attachments;
  std::vector<std::string> exposed;  ///< "80/tcp": what the image or the user says it listens on.
  std::vector<MountPoint> mounts;
};

struct Spec : SpecHead {
  std::map<std::string, std::string> annotations;
  std::string profile;      ///< The named profile (or its file) that it was made with; empty: none.
  userns::LaunchPlan plan;
  std::vector<SecretVariable> secret_variables;
  std::map<std::string, std::string> shared_namespaces;  ///< "network", "pid", "ipc" … → the ID of whose it is, too.
  NameService name_service;
  std::vector<std::string> group_add;  ///< As given.
  cgroup::Limits limits;
  bool limits_best_effort = false;  ///< A limit that can't be applied is a warning.
  bool filtered = false;         ///< There is a seccomp filter; set by ContainerStore::create.
  bool open_stdin = false;       ///< -i
  int stop_signal = 15;
  OwnConfig own_config;
  LogPlan log;
  HealthPlan health;
  int stop_timeout = usual_stop_time;  ///< Seconds that `stop` gives it; negative: without a bound.
};

/// The words of container.json, which are Docker's.
std::span<const char* const> words_of(RestartWhen);
std::span<const char* const> words_of(LogDriver);

inline bool keeps_log_file(const Spec& spec) {
  return spec.log.driver == LogDriver::json_file || spec.log.driver == LogDriver::local;
}

/// Without the seccomp filter's bytes: ContainerStore keeps them in a file of their own.
Json to_json(const Spec& spec);
/// Throws InvalidInput naming the field.
Spec spec_from_json(const Json& document);

/// The text of container.json. Throws InvalidInput where a string is not UTF-8.
std::string spec_text(const Spec& spec);
/// All of its members, for spec_from_json(). Throws InvalidInput.
Json parse_spec(std::string_view text);
/// The head alone. None: the text is an earlier version's, which has none. Throws InvalidInput naming the field.
std::optional<SpecHead> parse_spec_head(std::string_view text);

/// Parts of it: `--print-plan`, and the requests of `exec`.
Json to_json(const userns::LaunchPlan& plan);
Json to_json(const userns::ProcessPlan& process);
userns::ProcessPlan process_from_json(const Json& document);

}  // namespace sandbox::container
