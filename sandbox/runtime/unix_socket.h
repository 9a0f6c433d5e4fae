// Sockets at which others wait for descriptors: of a terminal, of a seccomp filter.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/base/fd.h"

namespace sandbox::runtime {

/// A stream socket connected to the one at `path`, which `what` names in messages. Who does not take what is sent there
/// for ten seconds is given up (EAGAIN). Throws UsageError for a path that no address can hold, SysError.
Fd connect_to(const std::string& path, std::string_view what);

/// Sends the whole text, with the descriptor at its beginning.
void send_with_descriptor(const Fd& socket, std::string_view text, int fd, std::string_view what);

}  // namespace sandbox::runtime
