#include "sandbox/runtime/late_mounts.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/runtime/caller.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/plan_mounts.h"
#include "userns/late_mounts.h"

namespace sandbox::runtime {
namespace {

/// One that waits for `start` shows its namespaces to nobody (proc(5), "dumpable").
void check_running(Status status) {
  if (status != Status::running && status != Status::paused)
    throw Conflict(fmt::format("container not running: {}", to_word(status)));
}

std::vector<userns::MountOp> plan_of(const Store& store, const Record& record, const Json& mounts,
                                     std::string_view what, std::vector<std::string>& warnings) {
  const std::string path = store.config(record.id);
  const oci::RuntimeSpec spec = oci::parse_runtime_spec(parse_json(read_file(path), path), path);
  const Caller caller = survey_caller(spec.linux_part);
  Plan plan = plan_container(spec, record.bundle, caller, {});
  plan.warnings.clear();
  auto ops = plan_late_mounts(oci::parse_mounts(oci::Value(mounts, what)), record.bundle, caller, plan);
  warnings = std::move(plan.warnings);
  return ops;
}

}  // namespace

void add_mounts(const Store& store, const std::string& id, const Json& mounts, std::string_view what,
                std::vector<std::string>& warnings) {
  (void)store.load(id);
  const FileLock lock(store.lock(id));
  const Record record = store.load(id);
  check_running(status_of(store, record));
  const Fd process = open_process(record);  // so that the number stays its own
  userns::mount_in(record.pid, plan_of(store, record, mounts, what, warnings));
}

void remove_mounts(const Store& store, const std::string& id, const Json& mounts, std::string_view what,
                   std::vector<std::string>& warnings) {
  (void)store.load(id);
  const FileLock lock(store.lock(id));
  const Record record = store.load(id);
  check_running(status_of(store, record));
  const Fd process = open_process(record);
  std::vector<std::string> targets;
  for (const userns::MountOp& op : plan_of(store, record, mounts, what, warnings)) targets.push_back(op.target);
  std::ranges::reverse(targets);
  userns::unmount_in(record.pid, targets);
}

}  // namespace sandbox::runtime
