// The user's namespace with a range of ids, made once and kept by a parked process (sbx:userns).
//
// Making one runs the distribution's newuidmap and newgidmap, some 15 ms and more; containers get a namespace of their
// own nested in it, whose maps need no help. In it 0 is the calling user and 1, 2, … are its subordinate ids. The
// parked process is found by a record in the runtime directory and made again when it is gone; it goes by itself when
// nothing has asked for it for a while. It executes a sealed copy of the program (sandbox/base/sealed_program.h), which
// the user's supervisors then share. Runs in processes with one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "sandbox/base/fd.h"
#include "userns/subordinate_ids.h"

namespace sandbox::userns {

struct KeptNamespace {
  Fd user_ns;  ///< nsfs descriptor, for setns(2).
  Fd program;  ///< The sealed copy of this very program. None where the program needs none, or is another build.
  std::vector<IdMapping> uid_map, gid_map;  ///< Its own maps: ids from 0 on, without gaps.
};

/// Finds the namespace of these ranges, or makes it. `runtime`: the runtime directory, private to the user.
/// Precondition: ids.complete(). Throws Unsupported when newuidmap or newgidmap are missing or refuse.
KeptNamespace keep_namespace(const std::string& runtime, const SubordinateIds& ids);

/// Joins it and becomes root in it. Precondition: one thread. The caller's descriptors stay as they are.
void enter_namespace(int user_ns);

/// Runs `act` in a child that has entered the namespace, and returns what it returned there (ask_child). What it
/// changes in memory is lost.
std::string ask_in_namespace(int user_ns, const std::function<std::string()>& act);
void run_in_namespace(int user_ns, const std::function<void()>& act);

/// The same with the caller's own ids alone, in a user namespace made for it: root there may read what belongs to the
/// caller, whatever its mode says.
std::string ask_in_own_namespace(const std::function<std::string()>& act);
void run_in_own_namespace(const std::function<void()>& act);

/// remove_tree for what containers and layers have left: files of subordinate ids are removed inside the user's
/// namespace.
void remove_tree_of_all_ids(const std::string& path);

/// Body of `sandbox helper park RECORD`: holds its own user namespace until the record names another process, or was
/// not touched for some minutes.
int park_main(const std::string& record);

}  // namespace sandbox::userns
