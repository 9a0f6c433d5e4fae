// Transient scopes of systemd (systemd.scope(5)): delegated cgroups for processes that it did not start. Any process
// with one thread.
#pragma once

#include <sys/types.h>

#include <string>

namespace sandbox::cgroup {

struct ScopeRequest {
  std::string bus;    ///< Socket of the D-Bus at which the manager is.
  std::string unit;   ///< "x.scope"
  std::string slice;  ///< "y.slice"; empty: where the manager puts it.
  std::string description;
  pid_t pid = 0;  ///< The first process in it, with which it would end.
};

/// Asks the manager for the scope and waits until it is there. Throws Unsupported with the manager's words.
void start_scope(const ScopeRequest& request);
/// Asks the manager to move a process of ours into the cgroup `below` ("/name") of a delegated scope, which it can also
/// where we can't ourselves (org.freedesktop.systemd1(5), AttachProcessesToUnit(), systemd 238). Throws Unsupported.
void attach_to_scope(const std::string& bus, const std::string& unit, const std::string& below, pid_t pid);
/// Ends a scope and what is left in it; one that has ended is no error. Throws Unsupported.
void stop_scope(const std::string& bus, const std::string& unit);

}  // namespace sandbox::cgroup
