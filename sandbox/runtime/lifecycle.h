// What happens to a container that exists: start, kill, delete, and questions about it.
#pragma once

#include <string>

#include "sandbox/base/json.h"
#include "sandbox/runtime/store.h"

namespace sandbox::runtime {

/// The document of `state`, with runc's additional members.
nlohmann::ordered_json state_document(const Store& store, const Record& record);

/// Lets a created container's program run. Throws Conflict in any other state, userns::LaunchError.
void start(const Store& store, const std::string& id);
/// Sends a signal to its first process. Throws Conflict when it has stopped.
void kill(const Store& store, const std::string& id, int signal);
/// Removes a container that has stopped or was never started; with `force` a running one, too, and what a killed
/// `create` has left, and nothing at all is no error.
void remove(const Store& store, const std::string& id, bool force);

/// A signal's number or name, with or without SIG, in any case. Throws InvalidInput.
int parse_signal_word(const std::string& word);

}  // namespace sandbox::runtime
