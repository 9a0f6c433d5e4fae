// The command line of the OCI runtime, as engines and schedulers call it: `sandbox oci …`, or the same program under
// the name sandbox-runtime. Words, outputs and exit statuses are runc's; the flags of crun are understood, too.
#pragma once

#include <span>
#include <string>

#include "sandbox/cli/options.h"
#include "sandbox/runtime/store.h"

namespace sandbox::cli {

struct OciCommand {
  const char* name;
  const char* usage;  ///< After the command's name.
  const char* summary;
  std::span<const Option> options;
  int (*run)(const Arguments& arguments, const runtime::Store& store);
  int min_arguments = 0, max_arguments = 0;
  const char* failure = "";  ///< Put before a failure's words.
  int failure_status = 1;
};

/// The number given to an option, 0 when none was. Throws UsageError.
unsigned parse_count(const Arguments& arguments, const char* option);

/// `words` follow "oci", or the program's name.
int oci_main(std::span<char* const> words);

extern const OciCommand kOciCreate, kOciStart, kOciState, kOciKill, kOciDelete, kOciRun, kOciList, kOciSpec,
    kOciFeatures;

}  // namespace sandbox::cli
