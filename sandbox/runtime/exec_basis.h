// What `exec` needs to know of a container, kept beside its config.json, of which it is a small part: a seccomp profile
// is longer than all the rest, and to read it and look for its filter takes longer than to start a process.
#pragma once

#include <string>

#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/filter_cache.h"
#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// What concerns a process that joins the container, as a configuration of its own: without mounts, hooks, devices and
/// limits, and of the seccomp rules only those by which an agent is asked. `config` need not be valid. Pure.
Json part_for_exec(const Json& config);

struct ExecBasis {
  oci::RuntimeSpec spec;  ///< Of part_for_exec().
  Filter filter;          ///< Of linux.seccomp; empty: none.
};

/// At `create`. Throws SysError.
void keep_exec_basis(const Store& store, const std::string& id, const Json& part, const Filter& filter);
/// Throws InvalidInput, SysError.
ExecBasis load_exec_basis(const Store& store, const std::string& id);

}  // namespace sandbox::runtime
