#include "sandbox/runtime/plan_document.h"

#include <linux/filter.h>

#include <string_view>

#include "sandbox/base/digest.h"
#include "sandbox/base/json_fields.h"
#include "userns/plan_fields.h"

namespace sandbox::runtime {
namespace {

const char* word_of(cgroup::Layout layout) {
  static constexpr const char* words[] = {"none", "legacy", "hybrid", "unified"};
  return words[static_cast<std::size_t>(layout)];
}

Json describe_setting(const cgroup::Setting& setting) {
  Json document{
      {"option", setting.option}, {"file", setting.file}, {"value", setting.value}, {"optional", setting.optional}};
  if (!setting.other_file.empty())
    document["otherwise"] = {{"file", setting.other_file}, {"value", setting.other_value}};
  return document;
}

Json describe_program(const std::vector<std::byte>& program) {
  if (program.empty()) return nullptr;
  const std::string_view bytes(reinterpret_cast<const char*>(program.data()), program.size());
  return sha256_digest(bytes);
}

Json describe_cgroup(const CgroupPlan& plan) {
  Json document{
      {"layout", word_of(plan.layout)}, {"directory", plan.directory}, {"top", plan.top},           {"own", plan.own},
      {"late_entry", plan.late_entry},  {"asked_for", plan.asked_for}, {"settings", Json::array()}, {"scope", nullptr}};
  for (const cgroup::Setting& setting : plan.settings) document["settings"].push_back(describe_setting(setting));
  document["owner"] = plan.owner ? Json(*plan.owner) : Json();
  document["devices"] = {{"rules", describe_program(plan.device_program)}, {"required", plan.devices_required}};
  if (plan.scope) {
    document["scope"] = {{"bus", plan.scope->bus}, {"unit", plan.scope->unit}, {"slice", plan.scope->slice}};
  }
  return document;
}

Json describe_hooks(const std::vector<oci::Hook>& hooks) {
  Json list = Json::array();
  for (const oci::Hook& hook : hooks) {
    Json document{{"path", hook.path}, {"args", hook.args}, {"env", nullptr}, {"timeout", nullptr}};
    if (hook.env) document["env"] = *hook.env;
    if (hook.timeout) document["timeout"] = *hook.timeout;
    list.push_back(std::move(document));
  }
  return list;
}

/// By digest: the same rules are the same filter where the architecture and libseccomp are the same.
Json describe_seccomp(const std::vector<std::byte>& filter) {
  if (filter.empty()) return nullptr;
  const std::string_view bytes(reinterpret_cast<const char*>(filter.data()), filter.size());
  return {{"instructions", filter.size() / sizeof(sock_filter)}, {"digest", sha256_digest(bytes)}};
}

}  // namespace

Json plan_document(const Plan& plan, const CgroupPlan& cgroup, const oci::Hooks& hooks) {
  Json document = JsonWriter::encode(plan.launch);
  document["process"]["seccomp"] = describe_seccomp(plan.launch.process.seccomp);
  document["cgroup"] = describe_cgroup(cgroup);
  document["networkDevices"] = Json::object();
  for (const NetworkDevice& device : plan.network_devices) document["networkDevices"][device.host_name] = device.name;
  document["intelRdt"] = nullptr;
  if (plan.rdt) {
    document["intelRdt"] = {
        {"group", plan.rdt->group}, {"schemata", plan.rdt->schemata}, {"monitored", plan.rdt->monitored}};
  }
  document["hooks"] = {{"prestart", describe_hooks(hooks.prestart)},
                       {"createRuntime", describe_hooks(hooks.create_runtime)},
                       {"createContainer", describe_hooks(hooks.create_container)},
                       {"startContainer", describe_hooks(hooks.start_container)},
                       {"poststart", describe_hooks(hooks.poststart)},
                       {"poststop", describe_hooks(hooks.poststop)}};
  document["warnings"] = plan.warnings;
  return document;
}

}  // namespace sandbox::runtime
