// Where things live for this user: the store, the runtime directory, read-only stores.
#pragma once

#include <string>
#include <vector>

namespace sandbox {

struct Places {
  std::string data;                            ///< $XDG_DATA_HOME/sandbox, default ~/.local/share/sandbox
  std::string runtime;                         ///< $XDG_RUNTIME_DIR/sandbox, or /tmp/sandbox-<uid>
  std::vector<std::string> additional_stores;  ///< read-only: OCI layouts with layers/ beside them
  std::string ignored_store = {};              ///< Why the store beside the program is none of them; empty: it is.
};

/// Decides the places from the environment and makes nothing. SANDBOX_STORE_DIR and SANDBOX_RUNTIME_DIR override.
/// Additional stores are those of SANDBOX_ADDITIONAL_STORES (colon separated), or where it is not set, those that the
/// user's and the machine's files "additional-stores" list, a line each; and the one beside the program.
Places find_places();

/// Makes the data and runtime directories (0700). Throws Error when the runtime directory belongs
/// to somebody else or is open to others.
void make_places(const Places& places);

/// $HOME, or what the system's accounts say. Throws Error.
std::string home_directory();

/// $XDG_CONFIG_HOME/sandbox, default ~/.config/sandbox: what the user has written for this program.
std::string config_directory();

/// The running executable's path (proc_pid_exe(5)).
std::string executable_path();

}  // namespace sandbox
