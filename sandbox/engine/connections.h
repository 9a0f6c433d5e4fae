// `network connect` and `network disconnect`: other networks for a container that does not run. Runs in the client.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/engine/attachments.h"

namespace sandbox::engine {

/// From its next start the container `reference` is on the network that `word` names, too; "bridge" is that of its own.
/// `links`: "CONTAINER[:ALIAS]". Durable. Throws NotFound, UsageError; Conflict when the container runs, is on the
/// network already, or has not a network namespace of its own.
void connect_container(const Places& places, const NetworkWord& word, const std::vector<std::string>& links,
                       const std::string& reference);
/// The other way round. A network that is gone is found by the name that it had.
void disconnect_container(const Places& places, const std::string& network, const std::string& reference);

}  // namespace sandbox::engine
