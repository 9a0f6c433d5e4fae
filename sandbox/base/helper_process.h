// Helper processes: this program again as `helper MODE …`, configured through inherited descriptors
// alone. The helper is a child of the caller, says when it is ready, and ends by itself when every
// copy of its lifetime descriptor has closed.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"

namespace sandbox {

struct HelperProcess {
  pid_t pid = -1;
  Fd lifetime;
};

/// Spawns `sbx:MODE helper MODE CONFIG_FD READY_FD LIFETIME_FD EXTRA_FD…` and returns when it is ready.
/// `extra` are borrowed. Throws Error with the helper's own reason and hint.
HelperProcess spawn_helper(const std::string& mode, const std::string& document, std::span<const int> extra);

/// In the helper: the document, at most 1 MiB. Throws SysError, InvalidInput.
std::string read_helper_document(const Fd& config);
/// In the helper: tells the parent that it serves, or why it can't. A parent that has gone needs no answer.
void answer_ready(Fd ready);
void answer_failure(Fd ready, const std::exception& error);

}  // namespace sandbox
