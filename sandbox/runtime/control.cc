#include "sandbox/runtime/control.h"

#include <errno.h>

#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/cgroup/device_program.h"
#include "sandbox/cgroup/survey.h"
#include "sandbox/runtime/caller.h"
#include "sandbox/runtime/cgroup.h"
#include "sandbox/runtime/device_rules.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/resources.h"

namespace sandbox::runtime {
namespace {

using cgroup::Directory;

Directory own_cgroup(const Record& record, const char* what) {
  if (auto directory = cgroup_of(record)) return std::move(*directory);
  throw Unsupported(fmt::format("container '{}' can't be {}: it has no cgroup of its own", record.id, what),
                    "start the runtime in a delegated cgroup, or let systemd make one, by --systemd-cgroup");
}

std::optional<std::int64_t> bytes_of(const std::string& text) {
  if (text.starts_with("max")) return -1;
  std::int64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  return error == std::errc{} ? std::optional(bytes) : std::nullopt;
}

PresentLimits present_limits(const Directory& directory) {
  PresentLimits present{.memory = bytes_of(directory.text("memory.max"))};
  if (const auto words = cgroup::split_words(directory.text("cpu.max")); !words.empty()) present.cpu_quota = words[0];
  return present;
}

void check_memory(const Directory& directory, const Resources& resources) {
  if (!resources.check_memory) return;
  const std::int64_t used = bytes_of(directory.text("memory.current")).value_or(0);
  for (const cgroup::Setting& setting : resources.settings) {
    if (setting.file != "memory.max" || bytes_of(setting.value).value_or(-1) < 0) continue;
    if (*bytes_of(setting.value) < used) {
      throw Conflict(fmt::format("{} {} is below the {} bytes that are used", setting.option, setting.value, used));
    }
  }
}

/// The program for new rules; none when there are none, or when nothing of the container's is against them anyway. Who
/// can't load it may do without where `create` could (device_rules.h).
std::optional<Fd> load_device_rules(const Store& store, const Record& record, const Json& resources,
                                    std::string_view what, bool has_cgroup) {
  if (!resources.is_object() || !resources.contains("devices")) return std::nullopt;
  const std::string path = store.config(record.id);
  const oci::RuntimeSpec spec = oci::parse_runtime_spec(parse_json(read_file(path), path), path);
  const Caller caller = survey_caller(spec.linux_part);
  const Plan container = plan_container(spec, record.bundle, caller, {});
  const DeviceGuard guard = plan_device_guard(resources, what, container.launch, caller);
  if (!guard.asked_for || (!has_cgroup && !guard.required)) return std::nullopt;
  auto loaded = cgroup::load_device_program(cgroup::compile_device_rules(
      guard.rules.empty() ? std::vector<cgroup::DeviceRule>{{.allow = true}} : guard.rules));
  if (loaded) return std::move(*loaded);
  if (loaded.error().value == EPERM && !guard.required) return std::nullopt;
  throw SysError(loaded.error(), "linux.resources.devices: loading a BPF program");
}

}  // namespace

void pause(const Store& store, const std::string& id) {
  (void)store.load(id);
  const FileLock lock(store.lock(id));
  const Record record = store.load(id);
  const Status status = status_of(store, record);
  if (status != Status::running && status != Status::created) {
    throw Conflict(fmt::format("container not running or created: {}", to_word(status)));
  }
  own_cgroup(record, "paused").freeze(true);
}

void resume(const Store& store, const std::string& id) {
  (void)store.load(id);
  const FileLock lock(store.lock(id));
  const Record record = store.load(id);
  if (status_of(store, record) != Status::paused) throw Conflict("container not paused");
  own_cgroup(record, "resumed").freeze(false);
}

void update(const Store& store, const std::string& id, const Json& resources, std::string_view what) {
  (void)store.load(id);
  const FileLock lock(store.lock(id));
  const Record record = store.load(id);
  if (const Status status = status_of(store, record); status == Status::stopped || status == Status::creating) {
    throw Conflict(fmt::format("container not running or created: {}", to_word(status)));
  }
  // Before the refusal of a container without a cgroup: a member that is wrong is wrong everywhere.
  const auto directory = cgroup_of(record);
  const Resources planned = plan_resources(resources, what, directory ? present_limits(*directory) : PresentLimits{});
  const std::optional<Fd> devices = load_device_rules(store, record, resources, what, directory.has_value());
  if (planned.settings.empty() && !devices) return;
  const Directory own = own_cgroup(record, "limited");
  make_room_for(planned.settings, own, cgroup::survey());
  check_memory(own, planned);
  if (devices) cgroup::attach_device_program(own.fd(), devices->get());
  own.apply(planned.settings);
}

}  // namespace sandbox::runtime
