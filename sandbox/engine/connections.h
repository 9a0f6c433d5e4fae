// `network connect` and `network disconnect`: other networks for a container. Runs in the client.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/engine/attachments.h"

namespace sandbox::engine {

/// The container `reference` is on the network that `word` names, too; "bridge" is that of its own, which is not to be
/// had while it runs. `links`: "CONTAINER[:ALIAS]". Durable. Throws NotFound, UsageError; Conflict when the container is
/// on the network already, or has not a network namespace of its own; Error with what a running one can't have.
void connect_container(const Places& places, const NetworkWord& word, const std::vector<std::string>& links,
                       const std::string& reference);
/// The other way round. A network that is gone is found by the name that it had.
void disconnect_container(const Places& places, const std::string& network, const std::string& reference);

}  // namespace sandbox::engine
