// Spec to and from JSON; see sandbox/base/json_fields.h.
#include "sandbox/container/spec.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json_fields.h"
#include "userns/plan_fields.h"

namespace sandbox::cgroup {

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
void describe(A& field, Described<Spec> auto& spec) {
  field("id", spec.id);
  field("name", spec.name);
  field("image", spec.image);
  field("image_id", spec.image_id);
  field("created", spec.created);
  field("labels", spec.labels);
  field("plan", spec.plan);
  field("ports", spec.ports);
  field("limits", spec.limits);
  field("limits_best_effort", spec.limits_best_effort);
  field("auto_remove", spec.auto_remove);
  field("filtered", spec.filtered);
  field("open_stdin", spec.open_stdin);
  field("stop_signal", spec.stop_signal);
  field.since(6, "own_config", spec.own_config);
  field.since(7, "created_nanoseconds", spec.created_nanoseconds);
  field.since(7, "owner", spec.owner);
  field.since(8, "restart", spec.restart);
  field.since(8, "stop_timeout", spec.stop_timeout);
  field.since(8, "log", spec.log);
  field.since(8, "health", spec.health);
  field.since(9, "annotations", spec.annotations);
}

namespace {

constexpr int kVersion = 9;
constexpr const char* kWhat = "container description";

}  // namespace

Json to_json(const Spec& spec) { return write_versioned(spec, kVersion); }
Json to_json(const userns::LaunchPlan& plan) { return JsonWriter::encode(plan); }
Json to_json(const userns::ProcessPlan& process) { return JsonWriter::encode(process); }

Spec spec_from_json(const Json& document) {
  Spec spec = read_versioned<Spec>(document, kWhat, kVersion);
  const JsonReader reader(document, kWhat, "");
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (spec.id.size() != 64 || !std::all_of(spec.id.begin(), spec.id.end(), is_hex)) {
    reader.fail("id", "is not 64 lower-case hexadecimal digits");
  }
  if (!is_valid_name(spec.name)) reader.fail("name", "is not a valid container name");
  if (spec.stop_signal < 1 || spec.stop_signal > 64) reader.fail("stop_signal", "is out of range");
  return spec;
}

userns::ProcessPlan process_from_json(const Json& document) {
  userns::ProcessPlan process;
  JsonReader(document, kWhat, "").decode(document, "process", process);
  return process;
}

}  // namespace sandbox::container
