// A container's document; see inspect_document.h.
#include <signal.h>
#include <string.h>

#include <algorithm>

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/cli/container_listing.h"
#include "sandbox/cli/inspect_document.h"
#include "sandbox/container/health.h"
#include "sandbox/container/name_files.h"
#include "sandbox/engine/ports.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

using container::Container;
using container::Spec;

/// A member of the image's config, null when it has none.
OrderedJson of_image(const image::Image* image, const char* key) {
  if (image == nullptr) return nullptr;
  const auto config = image->config_document.find("config");
  if (config == image->config_document.end() || !config->is_object() || !config->contains(key)) return nullptr;
  return OrderedJson((*config)[key]);
}

std::string text_of_image(const image::Image* image, const char* key) {
  const OrderedJson value = of_image(image, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

/// As container.json and Docker write it.
template <class E>
const char* word_of(E value) {
  return words_of(value)[static_cast<std::size_t>(value)];
}

OrderedJson health_of(const Container& container) {
  container::HealthRecord record;
  try {
    record = container::health_from_json(parse_json(read_file(container::health_path(container)), "health.json"));
  } catch (const Error&) {
    // Not checked yet.
  }
  OrderedJson log = OrderedJson::array();
  for (const auto& result : record.log) {
    log.push_back(
        {{"Start", result.start}, {"End", result.end}, {"ExitCode", result.exit_code}, {"Output", result.output}});
  }
  return {
      {"Status", word_of(container.state.health)}, {"FailingStreak", record.failing_streak}, {"Log", std::move(log)}};
}

/// What was said of it, but for defaults.
OrderedJson healthcheck_of(const container::HealthPlan& plan) {
  const container::HealthPlan usual;
  OrderedJson check = {{"Test", plan.test}};
  const auto add = [&](const char* key, std::int64_t value, std::int64_t otherwise) {
    if (value != otherwise) check[key] = value;
  };
  add("Interval", plan.interval, usual.interval);
  add("Timeout", plan.timeout, usual.timeout);
  add("StartPeriod", plan.start_period, usual.start_period);
  add("StartInterval", plan.start_interval, usual.start_interval);
  add("Retries", plan.retries, usual.retries);
  return check;
}

OrderedJson state_of(const Container& container) {
  const container::State& state = container.state;
  const bool running = container::is_up(state);
  OrderedJson document = {{"Status", state_word(state)},
          {"Running", running},
          {"Paused", state.paused},
          {"Restarting", state.status == container::Status::restarting},
          {"OOMKilled", state.oom_killed},
          {"Dead", false},
          {"Pid", running ? state.pid : 0},
          {"ExitCode", state.exit_code},
          {"Error", state.error},
          {"StartedAt", engine::format_time(state.started)},
          {"FinishedAt", engine::format_time(state.finished)}};
  if (state.health != container::Health::none) document["Health"] = health_of(container);
  return document;
}

/// null for one that is exposed alone.
OrderedJson ports_of(const std::vector<container::PublishedPort>& ports) {
  OrderedJson found = OrderedJson::object();
  for (const auto& port : ports) {
    OrderedJson& bindings = found[engine::port_name(port)];
    const std::string host = port.host_port == 0 ? "" : fmt::format("{}", port.host_port);
    if (!port.host_ip.empty()) bindings.push_back({{"HostIp", port.host_ip}, {"HostPort", host}});
  }
  return found;
}

OrderedJson list_or_null(const std::vector<std::string>& words) {
  return words.empty() ? OrderedJson(nullptr) : OrderedJson(words);
}

/// As --cap-add or --cap-drop would have asked for it.
OrderedJson capabilities(std::uint64_t set) { return list_or_null(profiles::capability_names(set)); }

OrderedJson binds_of(const Container& container) {
  OrderedJson binds = nullptr;
  for (const container::MountPoint& point : container.spec.mounts) {
    const std::string& source = point.name.empty() ? point.source : point.name;
    binds.push_back(fmt::format("{}:{}{}", source, point.destination, point.writable ? "" : ":ro"));
  }
  return binds;
}

OrderedJson mounts_of(const Container& container) {
  OrderedJson mounts = OrderedJson::array();
  for (const container::MountPoint& point : container.spec.mounts) {
    OrderedJson mount = {{"Type", point.of_image ? "image" : point.name.empty() ? "bind" : "volume"}};
    if (!point.name.empty()) mount["Name"] = point.name;
    mount["Source"] = point.source;
    mount["Destination"] = point.destination;
    if (!point.name.empty()) mount["Driver"] = "local";
    mount["Mode"] = point.writable ? "" : "ro";
    mount["RW"] = point.writable;
    mount["Propagation"] = point.name.empty() ? "rprivate" : "";
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::uint64_t shared_memory_size(const Spec& spec) {
  for (const auto& mount : spec.plan.mounts) {
    const auto size = mount.data.find("size=");
    if (mount.target == "/dev/shm" && size != std::string::npos)
      return std::strtoull(mount.data.c_str() + size + 5, nullptr, 10);
  }
  return 0;
}

/// null without limits.
OrderedJson storage_options(const userns::RootPlan& root) {
  OrderedJson options;
  if (root.most_bytes != 0) options["size"] = std::to_string(root.most_bytes);
  if (root.most_objects != 0) options["inodes"] = std::to_string(root.most_objects);
  return options;
}

/// [{"Path": …, `amount`: …}]
OrderedJson disks_of(const cgroup::Limits& limits, cgroup::BlockLimit kind, const char* amount) {
  OrderedJson list = OrderedJson::array();
  for (const cgroup::DiskLimit& limit : limits.disks) {
    if (limit.kind == kind) list.push_back({{"Path", limit.path}, {amount, limit.amount}});
  }
  return list;
}

/// Docker shows null for what nobody asked for.
OrderedJson null_if_empty(OrderedJson json) { return json.empty() ? OrderedJson(nullptr) : std::move(json); }

OrderedJson ulimits_of(const userns::ProcessPlan& process) {
  OrderedJson list = OrderedJson::array();
  const auto number = [](std::uint64_t limit) { return static_cast<std::int64_t>(limit); };  // unlimited: -1
  for (const userns::Rlimit& limit : process.rlimits) {
    list.push_back({{"Name", engine::ulimit_name(limit.resource)},
                    {"Hard", number(limit.hard)},
                    {"Soft", number(limit.soft)}});
  }
  return list;
}

OrderedJson devices_of(const userns::LaunchPlan& plan) {
  OrderedJson list = OrderedJson::array();
  for (const userns::DevicePlan& device : plan.devices) {
    list.push_back({{"PathOnHost", device.path}, {"PathInContainer", device.path}, {"CgroupPermissions", "rwm"}});
  }
  return list;
}

OrderedJson sysctls_of(const userns::LaunchPlan& plan) {
  OrderedJson map = OrderedJson::object();
  for (const userns::Sysctl& sysctl : plan.sysctls) map[sysctl.name] = sysctl.value;
  return map;
}

/// Without those that every container has.
OrderedJson tmpfs_of(const userns::LaunchPlan& plan) {
  OrderedJson map = OrderedJson::object();
  for (const userns::MountOp& mount : plan.mounts) {
    const bool usual = mount.target == "/dev" || mount.target == "/dev/shm";
    if (mount.kind == userns::MountKind::tmpfs && !usual) map[mount.target] = mount.data;
  }
  return map;
}

OrderedJson security_options_of(const Spec& spec) {
  OrderedJson list = OrderedJson::array();
  if (!spec.plan.process.no_new_privs) list.push_back("no-new-privileges=false");
  if (!spec.filtered) list.push_back("seccomp=unconfined");
  return list;
}

/// Members that no container here has a use for, as Docker shows them then.
void add_unused(OrderedJson& config) {
  for (const char* key : {"Links", "DeviceCgroupRules", "DeviceRequests", "MemorySwappiness", "OomKillDisable"})
    config[key] = nullptr;
  for (const char* key : {"Cgroup", "CgroupParent", "Isolation"}) config[key] = "";
  for (const char* key : {"CpuPeriod", "CpuQuota", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuCount", "CpuPercent",
                          "IOMaximumIOps", "IOMaximumBandwidth"})
    config[key] = 0;
  config["ConsoleSize"] = {0, 0};
}

/// Docker's word for the namespace of that kind, `otherwise` for one of its own.
std::string mode_of(const Spec& spec, const char* kind, bool is_own, const char* otherwise) {
  const auto shared = spec.shared_namespaces.find(kind);
  if (shared != spec.shared_namespaces.end()) return "container:" + shared->second;
  return is_own ? otherwise : "host";
}

OrderedJson host_config(const Container& container) {
  const Spec& spec = container.spec;
  const cgroup::Limits& limits = spec.limits;
  const auto& namespaces = spec.plan.namespaces;
  const std::uint64_t usual = profiles::default_capabilities(), own = spec.plan.process.capabilities;
  OrderedJson config = {
      {"Binds", binds_of(container)},
      {"ContainerIDFile", ""},
      {"LogConfig", {{"Type", word_of(spec.log.driver)}, {"Config", spec.log.options}}},
      {"NetworkMode", spec.network},
      {"PortBindings", ports_of(spec.ports)},
      {"RestartPolicy", {{"Name", word_of(spec.restart.when)}, {"MaximumRetryCount", spec.restart.most}}},
      {"AutoRemove", spec.auto_remove},
      {"VolumeDriver", ""},
      {"VolumesFrom", nullptr},
      {"CapAdd", capabilities(own & ~usual)},
      {"CapDrop", capabilities(usual & ~own)},
      {"CgroupnsMode", mode_of(spec, "cgroup", namespaces.cgroup, "private")},
      {"Dns", spec.name_service.servers},
      {"DnsOptions", spec.name_service.options},
      {"DnsSearch", spec.name_service.search},
      {"ExtraHosts", list_or_null(spec.name_service.hosts)},
      {"GroupAdd", list_or_null(spec.group_add)},
      {"IpcMode", mode_of(spec, "ipc", namespaces.ipc, "private")},
      {"OomScoreAdj", spec.plan.process.oom_score_adj.value_or(0)},
      {"PidMode", mode_of(spec, "pid", namespaces.pid, "")},
      {"Privileged", own == profiles::all_capabilities() && !spec.filtered && spec.plan.masked_paths.empty()},
      {"PublishAllPorts", false},
      {"ReadonlyRootfs", spec.plan.root.read_only},
      {"StorageOpt", storage_options(spec.plan.root)},
      {"UTSMode", mode_of(spec, "uts", namespaces.uts, "")},
      {"UsernsMode", ""},
      {"ShmSize", shared_memory_size(spec)},
      {"Runtime", "sandbox"},
      {"Init", spec.plan.process.init},
      {"CpuShares", limits.cpu_shares},
      {"Memory", limits.memory},
      {"NanoCpus", limits.nano_cpus},
      {"BlkioWeight", limits.block_weight},
      {"BlkioWeightDevice", disks_of(limits, cgroup::BlockLimit::weight, "Weight")},
      {"BlkioDeviceReadBps", disks_of(limits, cgroup::BlockLimit::read_bps, "Rate")},
      {"BlkioDeviceWriteBps", disks_of(limits, cgroup::BlockLimit::write_bps, "Rate")},
      {"BlkioDeviceReadIOps", disks_of(limits, cgroup::BlockLimit::read_iops, "Rate")},
      {"BlkioDeviceWriteIOps", disks_of(limits, cgroup::BlockLimit::write_iops, "Rate")},
      {"CpusetCpus", limits.cpuset_cpus},
      {"CpusetMems", limits.cpuset_mems},
      {"MemoryReservation", limits.memory_reservation},
      // Docker shows what the default comes to.
      {"MemorySwap", limits.memory_swap != 0 ? limits.memory_swap : static_cast<std::int64_t>(limits.memory * 2)},
      {"PidsLimit", limits.pids != 0 ? OrderedJson(limits.pids) : OrderedJson(nullptr)},
      {"Devices", devices_of(spec.plan)},
      {"Ulimits", ulimits_of(spec.plan.process)},
      {"Sysctls", null_if_empty(sysctls_of(spec.plan))},
      {"Tmpfs", null_if_empty(tmpfs_of(spec.plan))},
      {"SecurityOpt", null_if_empty(security_options_of(spec))},
      {"MaskedPaths", spec.plan.masked_paths},
      {"ReadonlyPaths", spec.plan.read_only_paths}};
  if (!spec.annotations.empty()) config["Annotations"] = spec.annotations;
  config["Profile"] = spec.profile;
  add_unused(config);
  return config;
}

/// "SIGTERM", "SIGRTMIN+3"
std::string signal_word(int signal) {
  if (const char* name = ::sigabbrev_np(signal); name != nullptr) return fmt::format("SIG{}", name);
  return signal >= SIGRTMIN ? fmt::format("SIGRTMIN+{}", signal - SIGRTMIN) : fmt::format("{}", signal);
}

OrderedJson config_of(const Spec& spec, const image::Image* image) {
  const auto& process = spec.plan.process;
  const container::OwnConfig& own = spec.own_config;
  OrderedJson ports = of_image(image, "ExposedPorts");
  for (const std::string& name : spec.exposed) ports[name] = OrderedJson::object();
  for (const auto& port : spec.ports) ports[engine::port_name(port)] = OrderedJson::object();
  OrderedJson entrypoint = own.replaces_entrypoint ? list_or_null(own.entrypoint) : of_image(image, "Entrypoint");
  OrderedJson command = own.replaces_entrypoint ? OrderedJson(nullptr) : of_image(image, "Cmd");
  if (!own.command.empty()) command = own.command;
  if (image == nullptr && !own.replaces_entrypoint) command = process.argv;  // all that is known of what it runs
  OrderedJson config = {{"Hostname", spec.plan.hostname.empty() ? container::host_name() : spec.plan.hostname},
                        {"Domainname", spec.plan.domainname},
                        {"User", own.user.empty() ? text_of_image(image, "User") : own.user},
                        {"AttachStdin", false},
                        {"AttachStdout", true},
                        {"AttachStderr", true}};
  if (!ports.is_null()) config["ExposedPorts"] = std::move(ports);
  config["Tty"] = process.terminal;
  config["OpenStdin"] = spec.open_stdin;
  config["StdinOnce"] = false;
  config["Env"] = process.env;
  config["Cmd"] = std::move(command);
  config["Image"] = spec.image;
  config["Volumes"] = of_image(image, "Volumes");
  config["WorkingDir"] = process.cwd;
  config["Entrypoint"] = std::move(entrypoint);
  config["OnBuild"] = nullptr;
  config["Labels"] = spec.labels;
  if (!spec.health.test.empty()) config["Healthcheck"] = healthcheck_of(spec.health);
  config["StopSignal"] = signal_word(spec.stop_signal);
  if (spec.stop_timeout != container::usual_stop_time) config["StopTimeout"] = spec.stop_timeout;
  return config;
}

OrderedJson network_settings(const Container& container) {
  const Spec& spec = container.spec;
  const bool running = container.state.status == container::Status::running;
  OrderedJson networks = inspected_networks(container);
  // Docker repeats here what is said of its first network.
  const auto own = networks.find("bridge");
  const auto of_own = [&](const char* key, OrderedJson otherwise) {
    return own == networks.end() ? otherwise : (*own)[key];
  };
  OrderedJson settings = {{"Bridge", ""},
                          {"SandboxID", spec.id},
                          {"SandboxKey", ""},
                          {"Ports", ports_of(engine::shown_ports(spec, container.state))},
                          {"Gateway", of_own("Gateway", "")},
                          {"IPAddress", of_own("IPAddress", "")},
                          {"IPPrefixLen", of_own("IPPrefixLen", 0)},
                          {"GlobalIPv6Address", ""},
                          {"IPv6Gateway", ""},
                          {"MacAddress", of_own("MacAddress", "")}};
  if (running && spec.plan.namespaces.network) {
    settings["SandboxKey"] = fmt::format("/proc/{}/ns/net", container.state.pid);
  }
  settings["Networks"] = std::move(networks);
  return settings;
}

OrderedJson graph_driver(const Spec& spec) {
  const userns::RootPlan& root = spec.plan.root;
  std::string lower;
  for (const auto& layer : root.lower) lower += (lower.empty() ? "" : ":") + layer;
  OrderedJson data = OrderedJson::object();
  if (!lower.empty()) data["LowerDir"] = lower;
  if (!root.directory.empty()) data["RootDir"] = root.directory;
  if (!root.upper.empty()) {
    data["UpperDir"] = root.upper;
    data["WorkDir"] = root.work;
  }
  return {{"Data", std::move(data)}, {"Name", lower.empty() ? "directory" : "overlay2"}};
}

/// With the network of another container its files are that one's.
std::string network_file(const Container& container, const char* name) {
  const auto& mounts = container.spec.plan.mounts;
  const auto mount = std::ranges::find(mounts, fmt::format("/etc/{}", name), &userns::MountOp::target);
  if (container.spec.shared_namespaces.contains("network") && mount != mounts.end()) return mount->source;
  return fmt::format("{}/{}", container.directory, name);
}

std::string created_text(const Spec& spec) {
  std::string text = engine::format_time(spec.created);
  text.pop_back();
  return fmt::format("{}.{:09}Z", text, spec.created_nanoseconds);
}

}  // namespace

OrderedJson inspected(const Container& container, const image::Image* image, const std::optional<ContainerSize>& size) {
  const Spec& spec = container.spec;
  const auto& argv = spec.plan.process.argv;
  OrderedJson document = {{"Id", spec.id},
                          {"Created", created_text(spec)},
                          {"Path", argv.empty() ? "" : argv[0]},
                          {"Args", OrderedJson::array()},
                          {"State", state_of(container)},
                          {"Image", spec.image_id},
                          {"ResolvConfPath", network_file(container, "resolv.conf")},
                          {"HostnamePath", network_file(container, "hostname")},
                          {"HostsPath", network_file(container, "hosts")},
                          {"LogPath", container::keeps_log_file(spec) ? container::log_path(container) : ""},
                          {"Name", "/" + spec.name},
                          {"RestartCount", container.state.restart_count},
                          {"Driver", "overlay2"},
                          {"Platform", "linux"},
                          {"MountLabel", ""},
                          {"ProcessLabel", ""},
                          {"AppArmorProfile", spec.plan.process.apparmor_profile},
                          {"ExecIDs", nullptr},
                          {"HostConfig", host_config(container)},
                          {"GraphDriver", graph_driver(spec)}};
  for (std::size_t i = 1; i < argv.size(); ++i) document["Args"].push_back(argv[i]);
  if (size) {
    document["SizeRw"] = size->own;
    document["SizeRootFs"] = size->with_image;
  }
  document["Mounts"] = mounts_of(container);
  document["Config"] = config_of(spec, image);
  document["NetworkSettings"] = network_settings(container);
  return document;
}

}  // namespace sandbox::cli
