// Helper processes: this program again as `helper MODE …`, configured through inherited descriptors
// alone. The helper is a child of the caller, says when it is ready, and ends by itself when every
// copy of its lifetime descriptor has closed.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

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

// The pieces of it, for a helper that talks to its parent in a way of its own.

/// An unnamed file with the document, to be read from its beginning. Throws SysError.
Fd helper_document(const std::string& document);
/// This program, to be started again in a session of its own, with standard streams that lead nowhere.
struct SelfStart {
  std::vector<std::string> words;        ///< argv; the first one is the process's title.
  std::vector<std::string> environment;  ///< All of it.
  std::vector<int> descriptors;          ///< Borrowed; its numbers 3, 4, … in this order, and it gets no others.
  bool keeps_stderr = false;
  int program = -1;  ///< Borrowed: what is executed instead of this program's file, such as its sealed copy.
};
/// Returns the child's pid. Throws SysError.
pid_t start_self(const SelfStart& start);
/// Starts `sbx:MODE helper MODE FD…` and returns its pid. The descriptors are borrowed. Throws SysError.
pid_t start_helper(const std::string& mode, std::vector<int> descriptors, bool keeps_stderr = true);
/// Throws Error for a helper that didn't become ready, once it has ended: with its own words, a message and, after a
/// newline, a hint; or with how it ended when it said nothing.
[[noreturn]] void throw_helper_failure(const std::string& mode, const std::string& words, pid_t helper);

/// In the helper: the document, at most 1 MiB. Throws SysError, InvalidInput.
std::string read_helper_document(const Fd& config);
/// In the helper: tells the parent that it serves, or why it can't. A parent that has gone needs no answer.
void answer_ready(Fd ready);
void answer_failure(Fd ready, const std::exception& error);

}  // namespace sandbox
