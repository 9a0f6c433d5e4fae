// Networks as `network ls` and `network inspect` show them: those of the store, and three that there are anyway.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/container/network_store.h"

namespace sandbox::cli {

struct ShownNetwork {
  container::Network network;
  std::string_view driver = "bridge";  ///< Docker's word.
  bool is_predefined = false;
};

/// "bridge", "host" or "none".
std::string predefined_network_id(std::string_view name);
/// The names of the networks that a container is on, or will be when it runs.
std::vector<std::string> network_names(const container::SpecHead& spec);

/// By name.
std::vector<ShownNetwork> shown_networks(const container::NetworkStore& store);
/// As NetworkStore::find(), and those that there are anyway.
ShownNetwork find_network(const container::NetworkStore& store, const std::string& word);

}  // namespace sandbox::cli
