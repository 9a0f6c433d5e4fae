// Spec to and from JSON; see sandbox/base/json_fields.h.
#include "sandbox/container/spec.h"

#include <algorithm>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json_fields.h"
#include "userns/plan_fields.h"

namespace sandbox::cgroup {

template <class A>
void describe(A& field, Described<DiskLimit> auto& limit) {
  field("kind", limit.kind);
  field("path", limit.path);
  field("major", limit.major);
  field("minor", limit.minor);
  field("amount", limit.amount);
}

template <class A>
void describe(A& field, Described<Limits> auto& limits) {
  field("memory", limits.memory);
  field("memory_swap", limits.memory_swap);
  field("memory_reservation", limits.memory_reservation);
  field("nano_cpus", limits.nano_cpus);
  field("cpu_shares", limits.cpu_shares);
  field("cpuset_cpus", limits.cpuset_cpus);
  field("cpuset_mems", limits.cpuset_mems);
  field("pids", limits.pids);
  field.since(14, "block_weight", limits.block_weight);
  field.since(14, "disks", limits.disks);
}

}  // namespace sandbox::cgroup

namespace sandbox::container {

template <class A>
void describe(A& field, Described<PublishedPort> auto& port) {
  field("host_ip", port.host_ip);
  field("host_port", port.host_port);
  field("container_port", port.container_port);
  field("udp", port.udp);
}

std::span<const char* const> words_of(RestartWhen) {
  static constexpr const char* words[] = {"no", "on-failure", "always", "unless-stopped"};
  return words;
}

template <class A>
void describe(A& field, Described<RestartPolicy> auto& policy) {
  field("when", policy.when);
  field("most", policy.most);
}

std::span<const char* const> words_of(LogDriver) {
  static constexpr const char* words[] = {"json-file", "local", "journald", "none"};
  return words;
}

template <class A>
void describe(A& field, Described<LogPlan> auto& log) {
  field("driver", log.driver);
  field("most_bytes", log.most_bytes);
  field("most_files", log.most_files);
  field("options", log.options);
}

template <class A>
void describe(A& field, Described<HealthPlan> auto& health) {
  field("test", health.test);
  field("argv", health.argv);
  field("interval", health.interval);
  field("timeout", health.timeout);
  field("start_period", health.start_period);
  field("start_interval", health.start_interval);
  field("retries", health.retries);
}

template <class A>
void describe(A& field, Described<OwnConfig> auto& config) {
  field("env", config.env);
  field("replaces_entrypoint", config.replaces_entrypoint);
  field("entrypoint", config.entrypoint);
  field("command", config.command);
  field("user", config.user);
  field("working_directory", config.working_directory);
}

template <class A>
void describe(A& field, Described<Owner> auto& owner) {
  field("pid", owner.pid);
  field("start", owner.start);
}

template <class A>
void describe(A& field, Described<SecretVariable> auto& variable) {
  field("name", variable.name);
  field("file", variable.file);
}

template <class A>
void describe(A& field, Described<MountPoint> auto& mount) {
  field("name", mount.name);
  field("source", mount.source);
  field("destination", mount.destination);
  field("writable", mount.writable);
  field.since(15, "of_image", mount.of_image);
}

template <class A>
void describe(A& field, Described<Attachment> auto& attachment) {
  field("network", attachment.network);
  field("name", attachment.name);
  field("address", attachment.address);
  field("hardware_address", attachment.hardware_address);
  field("aliases", attachment.aliases);
  field("links", attachment.links);
}

template <class A>
void describe(A& field, Described<NameService> auto& names) {
  field("servers", names.servers);
  field("search", names.search);
  field("options", names.options);
  field("hosts", names.hosts);
}

namespace {

constexpr int kVersion = 18;
constexpr const char* kWhat = "container description";
constexpr const char* kFile = "container.json";

/// Of a SpecHead, or of a Spec's.
template <class A>
void describe_head(A& field, auto& head) {
  field("id", head.id);
  field("name", head.name);
  field("image", head.image);
  field("image_id", head.image_id);
  field("created", head.created);
  field("labels", head.labels);
  field("ports", head.ports);
  field("auto_remove", head.auto_remove);
  field.since(7, "created_nanoseconds", head.created_nanoseconds);
  field.since(7, "owner", head.owner);
  field.since(8, "restart", head.restart);
  field.since(13, "command", head.command);
  field.since(13, "network", head.network);
  field.since(13, "mounts", head.mounts);
  field.since(18, "attachments", head.attachments);
  field.since(18, "exposed", head.exposed);
}

template <class A>
void describe_rest(A& field, Described<Spec> auto& spec) {
  field("plan", spec.plan);
  field("limits", spec.limits);
  field("limits_best_effort", spec.limits_best_effort);
  field("filtered", spec.filtered);
  field("open_stdin", spec.open_stdin);
  field("stop_signal", spec.stop_signal);
  field.since(6, "own_config", spec.own_config);
  field.since(8, "stop_timeout", spec.stop_timeout);
  field.since(8, "log", spec.log);
  field.since(8, "health", spec.health);
  field.since(9, "annotations", spec.annotations);
  field.since(16, "secret_variables", spec.secret_variables);
  field.since(17, "profile", spec.profile);
  field.since(18, "shared_namespaces", spec.shared_namespaces);
  field.since(18, "name_service", spec.name_service);
  field.since(18, "group_add", spec.group_add);
}

}  // namespace

template <class A>
void describe(A& field, Described<SpecHead> auto& head) {
  describe_head(field, head);
}

template <class A>
void describe(A& field, Described<Spec> auto& spec) {
  describe_head(field, spec);
  describe_rest(field, spec);
}

namespace {

void check(const SpecHead& head, const JsonReader& reader) {
  if (!is_hex(head.id, 64)) reader.fail("id", "is not 64 lower-case hexadecimal digits");
  if (!is_valid_name(head.name)) reader.fail("name", "is not a valid container name");
}

/// The first line, and what is behind it; that is all of the text where it has only one.
std::pair<std::string_view, std::string_view> split(std::string_view text) {
  const auto end = text.find('\n');
  if (end == text.npos) return {text, {}};
  if (!text.ends_with("}\n")) throw InvalidInput(fmt::format("{}: its end is missing", kFile));
  return {text.substr(0, end), text.substr(end + 1)};
}

}  // namespace

Json to_json(const Spec& spec) { return write_versioned(spec, kVersion); }
Json to_json(const userns::LaunchPlan& plan) { return JsonWriter::encode(plan); }
Json to_json(const userns::ProcessPlan& process) { return JsonWriter::encode(process); }

Spec spec_from_json(const Json& document) {
  Spec spec = read_versioned<Spec>(document, kWhat, kVersion);
  const JsonReader reader(document, kWhat, "");
  check(spec, reader);
  if (spec.stop_signal < 1 || spec.stop_signal > 64) reader.fail("stop_signal", "is out of range");
  const auto merges_nothing = [](const userns::MountOp& mount) {
    return mount.kind == userns::MountKind::merge && mount.lower.empty();
  };
  if (std::ranges::any_of(spec.plan.mounts, merges_nothing)) reader.fail("plan", "has a merge of no directories");
  return spec;
}

std::string spec_text(const Spec& spec) {
  const SpecHead& head = spec;
  JsonWriter rest;
  describe_rest(rest, spec);
  try {
    return fmt::format("{}\n{}\n", write_versioned(head, kVersion).dump(), rest.document.dump());
  } catch (const Json::exception&) {
    throw InvalidInput(fmt::format("{}: a string is not valid UTF-8", kWhat));
  }
}

Json parse_spec(std::string_view text) {
  const auto [first, second] = split(text);
  Json document = parse_json(first, kFile);
  if (second.empty()) return document;
  Json rest = parse_json(second, kFile);
  if (!document.is_object() || !rest.is_object()) throw InvalidInput(fmt::format("{}: a line is no object", kFile));
  document.get_ref<Json::object_t&>().merge(rest.get_ref<Json::object_t&>());
  if (!rest.empty()) throw InvalidInput(fmt::format("{}: two members '{}'", kFile, rest.items().begin().key()));
  return document;
}

std::optional<SpecHead> parse_spec_head(std::string_view text) {
  const auto [first, second] = split(text);
  if (second.empty()) return {};
  const Json document = parse_json(first, kFile);
  SpecHead head = read_versioned<SpecHead>(document, kWhat, kVersion);
  check(head, JsonReader(document, kWhat, ""));
  return head;
}

userns::ProcessPlan process_from_json(const Json& document) {
  userns::ProcessPlan process;
  JsonReader(document, kWhat, "").decode(document, "process", process);
  return process;
}

}  // namespace sandbox::container
