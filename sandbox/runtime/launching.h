// Failures to start a program, in the words that engines look for.
#pragma once

#include "userns/launch.h"

namespace sandbox::runtime {

/// `step()`, with "unable to start container process: " before what is said of a program that can't be executed.
template <class Step>
auto launching(const Step& step) {
  try {
    return step();
  } catch (const userns::LaunchError& error) {
    if (error.exit_code() == 125) throw;
    throw userns::LaunchError(fmt::format("unable to start container process: {}", error.what()), error.exit_code(),
                              error.hint());
  }
}

}  // namespace sandbox::runtime
