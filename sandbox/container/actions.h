// What can be done with a container in which state: one table, which commands and the supervisor ask. Pure.
#pragma once

#include "sandbox/container/container_store.h"

namespace sandbox::container {

/// A state as users tell them apart.
enum class Condition { created, running, paused, restarting, exited };
Condition condition_of(const State& state);

enum class Action { start, attach, exec, pause, unpause, kill, top, remove };
/// Why that can't be done, in Docker's words, with "{}" where the container is named; null: it can.
const char* obstacle(Action action, Condition condition);
/// Throws Conflict with the obstacle, if there is one. `name`: how the container is named in it.
void require_possible(Action action, const State& state, const std::string& name);

}  // namespace sandbox::container
