// See plan_container.h.
#include "sandbox/engine/plan_container.h"

#include <algorithm>

#include "profiles/capabilities.h"
#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/signal_name.h"
#include "sandbox/engine/environment.h"
#include "sandbox/engine/health_options.h"
#include "sandbox/engine/life_options.h"
#include "sandbox/engine/ports.h"
#include "sandbox/engine/process_options.h"
#include "sandbox/engine/security.h"
#include "sandbox/engine/storage.h"
#include "sandbox/engine/system_container.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::uint64_t kShmSize = 64U << 20;

// Docker's lists (moby daemon/pkg/oci/defaults.go).
constexpr const char* kMasked[] = {"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                                   "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                                   "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

const Json* image_config(const image::Image* image) {
  if (image == nullptr || !image->config_document.is_object()) return nullptr;
  const auto config = image->config_document.find("config");
  return config == image->config_document.end() || !config->is_object() ? nullptr : &*config;
}

const Json* config_value(const image::Image* image, const char* key) {
  const Json* config = image_config(image);
  if (config == nullptr) return nullptr;
  const auto value = config->find(key);
  return value == config->end() ? nullptr : &*value;
}

bool is_private(const std::string& word, const char* flag) {
  if (word.empty() || word == "private" || names_container(word)) return true;
  if (word == "host") return false;
  throw UsageError(fmt::format("--{}: invalid mode: {}", flag, word));
}

userns::NamespacePlan plan_namespaces(const RunRequest& request, const Sharing& sharing) {
  userns::NamespacePlan namespaces;
  namespaces.pid = is_private(request.pid, "pid");
  // Others may always share what is a container's own ("shareable").
  namespaces.ipc = request.ipc == "none" || request.ipc == "shareable" || is_private(request.ipc, "ipc");
  namespaces.uts = is_private(request.uts, "uts");
  namespaces.cgroup = is_private(request.cgroupns, "cgroupns");
  namespaces.network = request.network != "host";
  own_shared(namespaces, sharing);
  return namespaces;
}

/// What it is called inside. Of the host's namespace of names a container changes nothing.
std::string planned_hostname(const PlanInput& input, const userns::NamespacePlan& namespaces) {
  const RunRequest& request = input.request;
  if (!namespaces.uts && !request.hostname.empty())
    throw UsageError("conflicting options: hostname and the UTS mode");
  if (!namespaces.uts && !request.domainname.empty())
    throw UsageError("conflicting options: domainname and the UTS mode");
  if (!request.hostname.empty()) return request.hostname;
  if (namespaces.uts && !input.sharing.hostname.empty()) return input.sharing.hostname;
  return namespaces.network && namespaces.uts ? input.id.substr(0, 12) : input.host.hostname;
}

std::vector<std::string> plan_env(const PlanInput& input, const std::string& hostname) {
  std::vector<std::string> env{kPath, "HOSTNAME=" + hostname};
  if (input.request.terminal) env.emplace_back("TERM=xterm");
  env.push_back("HOME=" + input.user.home);
  if (input.boots_system) std::ranges::move(system_environment(input.id), std::back_inserter(env));
  // The image is a stranger: entries that are no assignments are left out.
  for (const auto& entry : config_strings(input.image, "Env")) {
    if (is_assignment(entry)) set_environment(env, entry);
  }
  for (const auto& entry : input.given_env) set_environment(env, entry);
  for (const auto& entry : input.env) set_environment(env, entry);
  return env;
}

/// Whether an image's owners are others on disk than in the container: only our FUSE server shows them as they are.
bool translates_owners(const PlanInput& input) {
  const bool is_image = input.request.rootfs.empty(), has_range = !input.host.range_uids.empty();
  return input.request.userns == "keep-id" && is_image && has_range && input.host.uid != 0;
}

userns::RootPlan plan_root(const PlanInput& input, const std::string& directory) {
  userns::RootPlan root;
  root.read_only = input.request.read_only;
  const Storage storage = parse_storage(input.request);
  root.driver = storage.driver;
  if (root.driver == userns::RootDriver::automatic && translates_owners(input) && input.host.has_fuse) {
    root.driver = userns::RootDriver::fuse;
  }
  root.most_bytes = storage.most_bytes;
  root.most_objects = storage.most_objects;
  root.lower = input.lower;
  if (root.lower.empty()) {
    root.directory = parse_rootfs(input.request.rootfs).directory;
    return root;
  }
  root.lower_may_change = !input.request.rootfs.empty();
  root.upper = directory + "/upper";
  root.work = directory + "/work";
  return root;
}

std::vector<userns::MountOp> plan_mounts(const PlanInput& input, const userns::NamespacePlan& namespaces,
                                         const std::string& directory) {
  const RunRequest& request = input.request;
  const auto shm_size = request.shm_size.empty() ? kShmSize : parse_size(request.shm_size);
  auto mounts = default_mounts(namespaces, shm_size);
  if (request.ipc == "none") std::erase_if(mounts, [](const auto& mount) { return mount.target == "/dev/shm"; });
  if (input.boots_system) {
    for (auto& mount : mounts) mount.read_only &= mount.kind != userns::MountKind::cgroup2;
    std::ranges::move(system_mounts(), std::back_inserter(mounts));
  }
  const std::string& of_network = input.sharing.network_directory;
  for (const char* name : {"resolv.conf", "hostname", "hosts"}) {
    userns::MountOp op;
    op.source = (of_network.empty() ? directory : of_network) + "/" + name;
    op.target = fmt::format("/etc/{}", name);
    mounts.push_back(op);
  }
  for (const auto& [name, content] : input.files) {
    userns::MountOp op;
    op.source = directory + "/" + name;
    op.target = fmt::format("/etc/{}", name);
    mounts.push_back(op);
  }
  for (const auto& mount : planned_mounts(input)) {
    std::erase_if(mounts, [&](const auto& other) { return other.target == mount.op.target; });
    mounts.push_back(mount.op);
  }
  for (userns::MountOp& op : secret_mounts(input.secrets, directory)) {
    // Where the user has a mount, secrets lie in that.
    const bool is_taken = std::ranges::find(mounts, op.target, &userns::MountOp::target) != mounts.end();
    if (!is_taken || op.kind == userns::MountKind::bind) mounts.push_back(std::move(op));
  }
  return mounts;
}

userns::ProcessPlan plan_process(const PlanInput& input, const std::string& hostname) {
  const RunRequest& request = input.request;
  userns::ProcessPlan process;
  process.argv = planned_argv(input);
  process.env = plan_env(input, hostname);
  process.cwd = request.workdir.empty() ? config_string(input.image, "WorkingDir") : request.workdir;
  if (process.cwd.empty()) process.cwd = "/";
  if (process.cwd[0] != '/') {
    throw UsageError(
        fmt::format("the working directory '{}' is invalid, it needs to be an absolute path", process.cwd));
  }
  // The host's groups of the caller mean nothing inside; where they can be dropped they are.
  if (!input.host.range_gids.empty() && !input.keeps_groups) process.groups.emplace();
  process.capabilities = planned_capabilities(request);
  process.no_new_privs = security_of(request).no_new_privs;
  process.umask = parse_umask(request.umask);
  process.oom_score_adj = parse_oom_score_adj(request.oom_score_adj);
  process.seccomp = input.seccomp;
  for (const auto& text : request.ulimits) process.rlimits.push_back(parse_ulimit(text));
  process.terminal = request.terminal;
  process.init = request.init;
  return process;
}

std::optional<userns::NetworkInterface> plan_network(const RunRequest& request) {
  const bool is_private = request.network == "private";
  if (!is_private && request.network != "defined" && !request.mac_address.empty())
    throw UsageError("conflicting options: mac-address and the network mode");
  if (!is_private) return {};
  userns::NetworkInterface network;
  if (!request.mac_address.empty()) network.hardware_address = parse_mac_address(request.mac_address);
  return network;
}

void add_label(std::map<std::string, std::string>& labels, const std::string& word, std::string_view kind) {
  if (word.empty() || word[0] == '=') throw UsageError(fmt::format("invalid {} '{}': empty name", kind, word));
  set_label(labels, word);
}

std::map<std::string, std::string> plan_labels(const PlanInput& input) {
  std::map<std::string, std::string> labels;
  if (const Json* own = config_value(input.image, "Labels"); own != nullptr && own->is_object()) {
    for (const auto& [key, value] : own->items()) {
      if (value.is_string()) labels[key] = value.get<std::string>();
    }
  }
  for (const auto& text : input.request.labels) add_label(labels, text, "label");
  return labels;
}

std::map<std::string, std::string> plan_annotations(const std::vector<std::string>& words) {
  std::map<std::string, std::string> annotations;
  for (const auto& word : words) add_label(annotations, word, "annotation");
  return annotations;
}

std::vector<std::string> plan_exposed(const PlanInput& input) {
  std::vector<std::string> of_image;
  const Json* exposed = config_value(input.image, "ExposedPorts");
  if (exposed != nullptr && exposed->is_object()) {
    for (const auto& [name, nothing] : exposed->items()) of_image.push_back(name);
  }
  return exposed_ports(of_image, input.request.expose);
}

std::vector<container::PublishedPort> plan_ports(const PlanInput& input, const std::vector<std::string>& exposed) {
  std::vector<container::PublishedPort> ports;
  for (const auto& text : input.request.publish) {
    const auto parsed = parse_publish(text);
    ports.insert(ports.end(), parsed.begin(), parsed.end());
  }
  if (input.request.network == "host") return {};  // they are open there already
  if (input.request.publish_all) publish_exposed(exposed, ports);
  return ports;
}

container::OwnConfig own_config(const PlanInput& input) {
  const RunRequest& request = input.request;
  container::OwnConfig own{input.env,      request.entrypoint.has_value(), {}, request.command, request.user,
                           request.workdir};
  if (request.entrypoint && !request.entrypoint->empty()) own.entrypoint = {*request.entrypoint};
  return own;
}

}  // namespace

std::vector<std::string> planned_argv(const PlanInput& input) {
  const RunRequest& request = input.request;
  std::vector<std::string> argv, command = request.command;
  if (request.entrypoint) {
    // Docker: --entrypoint also drops the image's command, and an empty one drops the entrypoint.
    if (!request.entrypoint->empty()) argv.push_back(*request.entrypoint);
  } else {
    argv = config_strings(input.image, "Entrypoint");
    if (command.empty()) command = config_strings(input.image, "Cmd");
  }
  argv.insert(argv.end(), command.begin(), command.end());
  if (argv.empty()) throw UsageError("no command specified");
  return argv;
}

std::string config_string(const image::Image* image, const char* key) {
  const Json* value = config_value(image, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

std::vector<std::string> config_strings(const image::Image* image, const char* key) {
  std::vector<std::string> strings;
  const Json* value = config_value(image, key);
  if (value == nullptr || !value->is_array()) return strings;
  for (const auto& entry : *value) {
    if (entry.is_string()) strings.push_back(entry.get<std::string>());
  }
  return strings;
}

bool publishes(const RunRequest& request) { return !request.publish.empty() || request.publish_all; }

void check_request(const RunRequest& request) {
  if (request.auto_remove && parse_restart_policy(request.restart).when != container::RestartWhen::no) {
    throw UsageError("conflicting options: cannot specify both --restart and --rm");
  }
  if (request.replace && request.name.empty()) throw UsageError("cannot replace container without --name being set");
  check_sharing(request);
  if (publishes(request) && request.network == "none")
    throw UsageError("published ports need the private network, not 'none'");
  if (parse_system_mode(request.systemd) == SystemMode::always && request.cgroupns == "host") {
    throw UsageError("conflicting options: --systemd=always needs a cgroup namespace, and --cgroupns is 'host'");
  }
  if (parse_system_mode(request.systemd) == SystemMode::always && names_container(request.pid)) {
    throw UsageError("conflicting options: --systemd=always needs to be the first process, and --pid is another's");
  }
  parse_storage(request);
  if (!request.limits.empty() && request.limits != "best-effort" && request.limits != "strict") {
    throw UsageError(
        fmt::format("invalid argument \"{}\" for \"--limits\" flag: strict or best-effort", request.limits));
  }
}

std::uint64_t planned_capabilities(const RunRequest& request) {
  std::vector<std::string> added = request.cap_add;
  if (request.privileged) added.emplace_back("ALL");
  return profiles::apply_capability_options(profiles::default_capabilities(), added, request.cap_drop);
}

std::vector<UserMount> planned_mounts(const PlanInput& input) {
  MountSources sources{input.data, input.id, {}, input.inherited, input.mounted_layers};
  const Json* volumes = config_value(input.image, "Volumes");
  if (volumes != nullptr && volumes->is_object()) {
    for (const auto& [target, nothing] : volumes->items()) sources.image_volumes.push_back(target);
  }
  return user_mounts(input.request, sources);
}

Rootfs parse_rootfs(const std::string& text) {
  if (text.ends_with(":O")) return {text.substr(0, text.size() - 2), true};
  return {text, false};
}

container::Spec plan(const PlanInput& input) {
  const RunRequest& request = input.request;
  container::Spec spec;
  spec.id = input.id;
  spec.name = input.name;
  spec.image = request.rootfs.empty() ? request.image : request.rootfs;
  if (input.image != nullptr) spec.image_id = input.image->id();
  spec.created = input.now.tv_sec;
  spec.created_nanoseconds = static_cast<std::uint32_t>(input.now.tv_nsec);
  spec.labels = plan_labels(input);
  spec.annotations = plan_annotations(request.annotations);
  spec.profile = request.profile;
  spec.secret_variables = secret_variables(input.secrets);
  spec.exposed = plan_exposed(input);
  spec.ports = plan_ports(input, spec.exposed);
  spec.name_service = {request.dns, request.dns_search, request.dns_options, request.add_hosts};
  spec.group_add = request.group_add;
  spec.limits = input.limits;
  spec.limits_best_effort = request.limits == "best-effort";
  spec.auto_remove = request.auto_remove;
  spec.open_stdin = request.interactive;
  std::string signal = request.stop_signal.empty() ? config_string(input.image, "StopSignal") : request.stop_signal;
  if (input.boots_system) spec.stop_signal = kSystemStopSignal;
  if (!signal.empty()) spec.stop_signal = parse_signal(signal);
  spec.own_config = own_config(input);
  spec.restart = parse_restart_policy(request.restart);
  spec.health = plan_health(request.health, image_config(input.image));
  spec.log = parse_log(request.log_driver, request.log_options);
  spec.stop_timeout = parse_stop_timeout(request.stop_timeout);

  userns::LaunchPlan& plan = spec.plan;
  const std::string directory = fmt::format("{}/containers/{}", input.data, input.id);
  for (const auto& [kind, shared] : input.sharing.namespaces) spec.shared_namespaces[kind] = shared.id;
  plan.identity = input.sharing.any()
                      ? shared_identity(input.sharing, input.user, input.host, request.id_emulation)
                      : plan_identity(input.user, input.host, request.userns, request.id_emulation);
  plan.namespaces = plan_namespaces(request, input.sharing);
  const std::string hostname = planned_hostname(input, plan.namespaces);
  if (plan.namespaces.uts) plan.hostname = hostname;
  plan.root = plan_root(input, directory);
  const SecurityOptions security = security_of(request);
  plan.root.no_suid = security.no_new_privs;
  plan.root.upper_is_volatile = request.auto_remove;
  plan.mounts = plan_mounts(input, plan.namespaces, directory);
  plan.devices = input.devices;
  plan.sysctls = parse_sysctls(request.sysctls, without_shared(plan.namespaces, input.sharing));
  plan.domainname = request.domainname;
  if (security.masks_paths) {
    plan.masked_paths.assign(std::begin(kMasked), std::end(kMasked));
    plan.read_only_paths.assign(std::begin(kReadOnly), std::end(kReadOnly));
  }
  plan.network = plan_network(request);
  spec.attachments = input.attachments;
  plan.process = plan_process(input, hostname);
  become(plan.process, plan.identity, input.user);
  return spec;
}

}  // namespace sandbox::engine
