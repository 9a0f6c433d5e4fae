// What create, run and exec have in common about descriptors and terminals.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/fd.h"

namespace sandbox::runtime {

/// How many descriptors a service manager has passed (sd_listen_fds(3)).
unsigned listen_fds();
/// So many from 3 on. Throws UsageError when one of them has not been inherited.
std::vector<int> inherited_descriptors(unsigned count);
/// A terminal must have somebody to serve it: this process, or who listens at the socket. Throws UsageError.
void check_terminal(bool detach, bool terminal, const std::string& console_socket);
/// Hands the terminal to whoever listens at the path, with its name as the message (as conmon and shims expect).
void send_console(const std::string& path, const Fd& console);
/// In the foreground lines end as the process writes them: who reads them may be no terminal, and one that is turns
/// "\n" into "\r\n" itself. Does nothing without a `console`.
void keep_line_ends(const Fd& console);

}  // namespace sandbox::runtime
