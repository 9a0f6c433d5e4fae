// --preserve-fds: descriptors of whoever called us that a container's process gets.
#pragma once

#include <vector>

#include "sandbox/cli/options.h"

namespace sandbox::cli {

/// 3, 4, …, as many as --preserve-fds says. Throws UsageError when one of them has not been inherited.
std::vector<int> passed_descriptors(const Arguments& arguments);

/// What reads from them is to see their end when the container's process closes them: ours close now.
void close_passed(const std::vector<int>& descriptors);

}  // namespace sandbox::cli
