#include "sandbox/oci/runtime_spec.h"

#include <algorithm>
#include <set>

namespace sandbox::oci {
namespace {

/// SemVer with a major version that this reader knows.
void check_version(const Value& version) {
  const std::string text = version.text();
  std::string_view rest = text;
  for (const char* end : {".", ".", "-+"}) {
    const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits == 0) version.fail("is not a version like 1.3.0");
    rest.remove_prefix(digits);
    if (rest.empty() && *end == '-') break;
    if (rest.empty() || std::string_view(end).find(rest[0]) == std::string_view::npos) {
      version.fail("is not a version like 1.3.0");
    }
    rest.remove_prefix(1);
  }
  if (!text.starts_with("1.") && !text.starts_with("0.")) version.fail(fmt::format("is {}, and 1 is understood", text));
}

std::string absolute_path(const Value& value) {
  std::string path = value.text();
  if (!path.starts_with('/')) value.fail("is not an absolute path");
  return path;
}

User parse_user(const Value& value) {
  User user;
  user.uid = value.integer<std::uint32_t>("uid").value_or(0);
  user.gid = value.integer<std::uint32_t>("gid").value_or(0);
  if (const auto umask = value.find("umask")) {
    user.umask = umask->integer<std::uint32_t>();
    if (*user.umask > 0777) umask->fail("is out of range");
  }
  user.additional_gids = value.integers<std::uint32_t>("additionalGids");
  return user;
}

ProcessCapabilities parse_capabilities(const Value& value) {
  return {value.texts("bounding"), value.texts("effective"), value.texts("inheritable"), value.texts("permitted"),
          value.texts("ambient")};
}

std::vector<PosixRlimit> parse_rlimits(const Value& process) {
  std::vector<PosixRlimit> limits;
  std::set<std::string> seen;
  for (const Value& item : process.items("rlimits")) {
    PosixRlimit limit{item.at("type").text(), item.at("soft").integer<std::uint64_t>(),
                      item.at("hard").integer<std::uint64_t>()};
    if (!seen.insert(limit.type).second) item.fail(fmt::format("is a second one of type {}", limit.type));
    limits.push_back(std::move(limit));
  }
  return limits;
}

std::optional<Value> find_part(const Value& value, const char* key) {
  auto member = value.find(key);
  if (member && !member->json().is_object()) member->fail("is not an object");
  return member;
}

std::optional<Json> part(const Value& value, const char* key) {
  const auto member = find_part(value, key);
  return member ? std::optional(member->json()) : std::nullopt;
}

std::vector<IdMap> parse_id_maps(const Value& value, const char* key) {
  std::vector<IdMap> maps;
  for (const Value& item : value.items(key)) {
    maps.push_back({item.at("containerID").integer<std::uint32_t>(), item.at("hostID").integer<std::uint32_t>(),
                    item.at("size").integer<std::uint32_t>()});
    if (maps.back().size == 0) item.at("size").fail("is 0");
  }
  return maps;
}

Mount parse_mount(const Value& value) {
  Mount mount;
  mount.destination = value.at("destination").text();
  if (mount.destination.empty()) value.at("destination").fail("is empty");
  // Relative to "/", which the specification keeps for old configurations.
  if (!mount.destination.starts_with('/')) mount.destination = "/" + mount.destination;
  mount.type = value.text("type");
  mount.source = value.text("source");
  mount.options = value.texts("options");
  mount.uid_mappings = parse_id_maps(value, "uidMappings");
  mount.gid_mappings = parse_id_maps(value, "gidMappings");
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty()) {
    value.fail("has one of uidMappings and gidMappings without the other");
  }
  return mount;
}

std::vector<Namespace> parse_namespaces(const Value& value) {
  std::vector<Namespace> namespaces;
  std::set<std::string> seen;
  for (const Value& item : value.items("namespaces")) {
    Namespace space{item.at("type").text(), item.text("path")};
    if (!space.path.empty() && !space.path.starts_with('/')) item.at("path").fail("is not an absolute path");
    if (!seen.insert(space.type).second) item.fail(fmt::format("is a second {} namespace", space.type));
    namespaces.push_back(std::move(space));
  }
  return namespaces;
}

Device parse_device(const Value& value) {
  Device device;
  device.type = value.at("type").text();
  device.path = absolute_path(value.at("path"));
  if (device.type != "p") {
    device.major = value.at("major").integer<std::int64_t>();
    device.minor = value.at("minor").integer<std::int64_t>();
  }
  device.file_mode = value.integer<std::uint32_t>("fileMode");
  device.uid = value.integer<std::uint32_t>("uid");
  device.gid = value.integer<std::uint32_t>("gid");
  return device;
}

std::vector<Hook> parse_hooks(const Value& hooks, const char* key) {
  std::vector<Hook> list;
  for (const Value& item : hooks.items(key)) {
    Hook hook{absolute_path(item.at("path")), item.texts("args"),
              item.find("env") ? std::optional(item.texts("env")) : std::nullopt,
              item.integer<std::int64_t>("timeout")};
    if (hook.timeout && *hook.timeout <= 0) item.at("timeout").fail("is not greater than zero");
    list.push_back(std::move(hook));
  }
  return list;
}

std::map<std::string, std::string> parse_words(const Value& value, const char* key) {
  std::map<std::string, std::string> words;
  if (const auto object = value.find(key)) {
    for (const auto& [name, word] : object->members()) words[name] = word.text();
  }
  return words;
}

Linux parse_linux(const Value& value) {
  Linux part_of;
  part_of.namespaces = parse_namespaces(value);
  part_of.uid_mappings = parse_id_maps(value, "uidMappings");
  part_of.gid_mappings = parse_id_maps(value, "gidMappings");
  for (const Value& device : value.items("devices")) part_of.devices.push_back(parse_device(device));
  part_of.cgroups_path = value.text("cgroupsPath");
  part_of.resources = part(value, "resources");
  part_of.personality = part(value, "personality");
  part_of.intel_rdt = part(value, "intelRdt");
  part_of.memory_policy = part(value, "memoryPolicy");
  part_of.net_devices = part(value, "netDevices");
  part_of.time_offsets = part(value, "timeOffsets");
  part_of.sysctl = parse_words(value, "sysctl");
  for (const Value& path : value.items("maskedPaths")) part_of.masked_paths.push_back(absolute_path(path));
  for (const Value& path : value.items("readonlyPaths")) part_of.readonly_paths.push_back(absolute_path(path));
  part_of.rootfs_propagation = value.text("rootfsPropagation");
  part_of.mount_label = value.text("mountLabel");
  return part_of;
}

}  // namespace

Process parse_process(const Value& value) {
  Process process;
  process.terminal = value.boolean("terminal");
  if (const auto size = value.find("consoleSize")) {
    process.console_size = {size->at("height").integer<std::uint16_t>(), size->at("width").integer<std::uint16_t>()};
  }
  if (const auto user = value.find("user")) process.user = parse_user(*user);
  process.args = value.texts("args");
  process.env = value.texts("env");
  process.cwd = absolute_path(value.at("cwd"));
  if (const auto sets = value.find("capabilities")) process.capabilities = parse_capabilities(*sets);
  process.rlimits = parse_rlimits(value);
  process.no_new_privileges = value.boolean("noNewPrivileges");
  process.apparmor_profile = value.text("apparmorProfile");
  process.selinux_label = value.text("selinuxLabel");
  process.oom_score_adj = value.integer<std::int32_t>("oomScoreAdj");
  process.scheduler = part(value, "scheduler");
  process.io_priority = part(value, "ioPriority");
  process.exec_cpu_affinity = part(value, "execCPUAffinity");
  return process;
}

std::vector<Mount> parse_mounts(const Value& list) {
  std::vector<Mount> mounts;
  for (const Value& mount : list.items()) mounts.push_back(parse_mount(mount));
  return mounts;
}

RuntimeSpec parse_runtime_spec(Json document, std::string_view what) {
  const Value value(document, what);
  RuntimeSpec spec;
  check_version(value.at("ociVersion"));
  spec.version = value.text("ociVersion");
  if (const auto process = value.find("process")) spec.process = parse_process(*process);
  const Value root = value.at("root");
  spec.root = {root.at("path").text(), root.boolean("readonly")};
  if (spec.root.path.empty()) root.at("path").fail("is empty");
  spec.hostname = value.text("hostname");
  spec.domainname = value.text("domainname");
  if (const auto mounts = value.find("mounts")) spec.mounts = parse_mounts(*mounts);
  if (const auto hooks = value.find("hooks")) {
    spec.hooks = {parse_hooks(*hooks, "prestart"),        parse_hooks(*hooks, "createRuntime"),
                  parse_hooks(*hooks, "createContainer"), parse_hooks(*hooks, "startContainer"),
                  parse_hooks(*hooks, "poststart"),       parse_hooks(*hooks, "poststop")};
  }
  spec.annotations = parse_words(value, "annotations");
  if (const auto part_of = value.find("linux")) {
    spec.linux_part = parse_linux(*part_of);
    // As large as all the rest together: taken over, not copied. `value` is not looked at any more.
    if (find_part(*part_of, "seccomp")) spec.linux_part.seccomp = std::move(document["linux"]["seccomp"]);
  }
  return spec;
}

}  // namespace sandbox::oci
