// Making a container: `create`, and the first half of `run`. Runs in a process with one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sandbox/runtime/cgroup_plan.h"
#include "sandbox/runtime/plan.h"
#include "sandbox/runtime/store.h"
#include "userns/launch.h"

namespace sandbox::runtime {

struct CreateRequest {
  std::string id;
  std::string bundle;  ///< Empty: the working directory.
  std::string config;  ///< In the bundle; empty: config.json.
  std::string pid_file, console_socket;
  unsigned preserve_fds = 0;  ///< Beside those of LISTEN_FDS.
  CgroupManager cgroup_manager = CgroupManager::cgroupfs;
  bool no_new_keyring = false, no_pivot = false;
  bool detach = true;  ///< Nobody here stays to serve a terminal.
};

/// A bundle's configuration and the plan for it.
struct Loaded {
  std::string text;  ///< Of the configuration file.
  oci::RuntimeSpec spec;
  Json exec_part;  ///< part_for_exec()
  Plan plan;
  CgroupPlan cgroup;
  std::string resctrl;  ///< Where that is mounted, if the plan needs it.
  std::string bundle;  ///< Absolute.
  std::vector<int> passed;
};
/// Throws InvalidInput, NotFound or Unsupported.
Loaded load_bundle(const CreateRequest& request);

/// A container between its making and its start. Unless it is detached or started its destruction undoes it all, and
/// runs the poststop hooks where others may have run.
class Creation {
 public:
  Creation(const Store& store, const CreateRequest& request, const Loaded& loaded);
  ~Creation();
  Creation(const Creation&) = delete;
  Creation& operator=(const Creation&) = delete;

  /// Leaves the process waiting for `start` by another command.
  void detach();
  /// Executes the program and runs the poststart hooks. Throws Error; the process does not outlive that.
  void start();
  const Record& record() const { return record_; }
  int pidfd() const { return launched_->pidfd(); }
  Fd take_console() { return launched_->take_console(); }

 private:
  void make(const CreateRequest& request, const Loaded& loaded);
  void undo() noexcept;
  const Store& store_;
  const oci::Hooks& hooks_;
  const oci::Linux& linux_;
  Record record_;
  Fd gate_;
  std::optional<userns::Launched> launched_;
  bool begun_ = false;  ///< Hooks may have run.
  bool kept_ = false;
};

}  // namespace sandbox::runtime
