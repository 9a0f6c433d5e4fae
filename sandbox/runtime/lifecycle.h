// What happens to a container that exists: start, kill, delete, and questions about it.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// The document of `state`, with runc's additional members.
OrderedJson state_document(const Store& store, const Record& record);

/// The same as hooks and seccomp agents get it, while the runtime itself decides what the state is.
OrderedJson decided_state(const Record& record, Status status, int pid);
/// Its text.
std::string hook_state(const Record& record, Status status, int pid);

/// Lets a created container's startContainer hooks and program run, then the poststart hooks; when a hook fails the
/// container is destroyed (runtime-spec runtime.md, "Lifecycle", 7 and 9). Throws Conflict in any other state,
/// userns::LaunchError.
void start(const Store& store, const std::string& id, std::vector<std::string>& warnings);
/// Runs them when the program has been started; the container doesn't outlive the failure of one.
void run_poststart(const oci::Hooks& hooks, const Record& record);
/// Sends a signal to its first process. Throws Conflict when it has stopped.
void kill(const Store& store, const std::string& id, int signal);
/// Removes a container that has stopped or was never started; with `force` a running one, too, and what a killed
/// `create` has left, and nothing at all is no error. Then the poststop hooks run, whose failures become `warnings`.
void remove(const Store& store, const std::string& id, bool force, std::vector<std::string>& warnings);
/// The poststop hooks of a container that has been removed; one that fails is a warning, and the next ones run.
void run_poststop(const oci::Hooks& hooks, const Record& record, std::vector<std::string>& warnings);

/// A signal's number or name, with or without SIG, in any case. Throws InvalidInput.
int parse_signal_word(const std::string& word);

}  // namespace sandbox::runtime
