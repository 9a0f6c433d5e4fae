// The command line of the OCI runtime, as engines and schedulers call it: `sandbox oci …`, or the same program under
// the name sandbox-runtime. Words, outputs and exit statuses are runc's; the flags of crun are understood, too.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sandbox/cli/oci/oci_log.h"
#include "sandbox/cli/options.h"
#include "sandbox/runtime/cgroup_plan.h"
#include "sandbox/runtime/store.h"

namespace sandbox::cli {

/// What a command works with, from the global options.
struct OciContext {
  runtime::Store store;
  const OciLog& log;
  runtime::CgroupManager cgroup_manager;

  void warn(const std::vector<std::string>& messages) const {
    for (const std::string& message : messages) log.write("warning", message);
  }
};

struct OciCommand {
  const char* name;
  const char* usage;  ///< After the command's name.
  const char* summary;
  std::span<const Option> options;
  int (*run)(const Arguments& arguments, const OciContext& context);
  int min_arguments = 0, max_arguments = 0;  ///< -1: no upper bound.
  const char* failure = "";  ///< Put before a failure's words.
  int failure_status = 1;
};

/// The number in an option's word. Throws UsageError.
unsigned parse_number(const char* option, const std::string& word);

/// `words` follow "oci", or the program's name.
int oci_main(std::span<char* const> words);

extern const OciCommand kOciCreate, kOciStart, kOciState, kOciKill, kOciDelete, kOciRun, kOciExec, kOciPs, kOciList,
    kOciSpec, kOciFeatures, kOciPause, kOciResume, kOciUpdate, kOciEvents, kOciStats,
    kOciMounts;

}  // namespace sandbox::cli
