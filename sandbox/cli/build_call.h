// `build --call`: what is asked of a Dockerfile instead of building it.
#pragma once

#include <string>

#include "sandbox/engine/build_image.h"

namespace sandbox::cli {

struct BuildCall {
  enum class What { build, check, outline, targets };
  What what = What::build;
  bool json = false;           ///< A document, instead of text.
  bool ignore_status = false;  ///< Warnings are no failure.
};

/// "check,format=json" of --call; `check`: --check was given. Throws UsageError.
BuildCall parse_build_call(const std::string& words, bool check);

/// Prints the answer. Returns the exit status: 1 when a check has something to say, as Docker's.
/// Precondition: it is no build.
int make_build_call(const BuildCall& call, const Places& places, const engine::BuildRequest& request);

}  // namespace sandbox::cli
