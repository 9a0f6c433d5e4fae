// A transient scope of the user's systemd (systemd.scope(5)): a delegated cgroup that this process is moved into.
#pragma once

#include <string>

namespace sandbox::cgroup {

/// Asks the manager at the socket `bus` for the scope `unit` ("x.scope") with this process in it, and waits until it is
/// there. Throws Unsupported with the manager's words.
void enter_scope(const std::string& bus, const std::string& unit, const std::string& description);

}  // namespace sandbox::cgroup
