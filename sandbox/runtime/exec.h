// A further process in a container: `exec`. Runs in a process with one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sandbox/runtime/store.h"
#include "userns/launch.h"

namespace sandbox::runtime {

struct ExecRequest {
  std::string id;
  std::string process_file;  ///< The whole process as JSON. Empty: the container's own, changed by the next words.
  std::vector<std::string> args;
  std::string cwd, user;  ///< user: "uid" or "uid:gid".
  std::vector<std::string> env, capabilities;
  std::vector<std::uint32_t> additional_gids;
  std::optional<bool> no_new_privs;
  bool terminal = false;
  std::string apparmor, process_label;

  std::string pid_file, console_socket;
  unsigned preserve_fds = 0;  ///< Beside those of LISTEN_FDS.
  bool detach = false;        ///< Nobody here stays to serve a terminal.
  bool ignore_paused = false;
  std::string cgroup;  ///< Below the container's own; empty: that one, or where its first process has gone.
};

/// Starts the process; returns when its program has been executed. Throws Conflict when the container has stopped,
/// userns::LaunchError.
userns::Launched exec(const Store& store, const ExecRequest& request, std::vector<std::string>& warnings);

}  // namespace sandbox::runtime
