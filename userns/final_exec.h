// Zone X: the last stage before execve. No allocation, no exceptions; arrays are prepared earlier.
#pragma once

#include <vector>

#include "userns/launch_plan.h"

namespace sandbox::userns {

/// Everything that the last stage needs, as plain pointers.
struct FinalExec {
  explicit FinalExec(const ProcessPlan& process);
  /// The program at `path`, whatever argv[0] says.
  FinalExec(const ProcessPlan& process, const std::string& path);

  const ProcessPlan& process;
  std::vector<std::string> candidates;  ///< Paths to try: argv[0], or PATH's directories with it.
  std::vector<char*> argv, env;

 private:
  void set_words();
};

/// Reports on `channel`, and ends, when no candidate is a file that could be executed. Zone B.
void refuse_missing_program(const FinalExec& prepared, int channel) noexcept;
/// Drops privileges as the plan says and executes. Returns only by _exit after reporting on `channel`.
[[noreturn]] void run_final_exec(const FinalExec& prepared, int channel) noexcept;

}  // namespace sandbox::userns
