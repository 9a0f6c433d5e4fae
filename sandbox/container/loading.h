// A container's directory read. Readers take no lock; what a killed supervisor has left of the container (its first
// process, its cgroup) ends with the next look.
#pragma once

#include <string>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/container/container_store.h"

namespace sandbox::container {

/// A container that a power cut has caught before it was durable: no command has said that it exists.
class LostContainer : public InvalidInput {
 public:
  LostContainer() : InvalidInput("container.json never reached the disk") {}
};

/// container.json, of which the head is known.
struct Description {
  SpecHead spec;
  std::string directory, text;
};

// All throw InvalidInput for what is damaged or a newer version's, SysError for what can't be read.
Container load(const std::string& directory);
Container load(const Description& description);
Spec load_spec(const std::string& directory);
/// A "running" whose supervisor is gone is "exited".
State load_state(const std::string& directory);
/// The same as it stands there.
State recorded_state(const std::string& directory);

/// Those below `root`, newest first. Unreadable ones are left out with a warning; `lost` gets the names of those that a
/// power cut has emptied.
std::vector<Container> load_containers(const std::string& root, std::vector<std::string>& lost);
std::vector<Entry> load_entries(const std::string& root, std::vector<std::string>& lost);
std::vector<Description> load_descriptions(const std::string& root);

/// The container's first process may have outlived its supervisor: it loses the death signal that we gave it when it
/// changes its user, and can clear it (prctl(2), PR_SET_PDEATHSIG).
void end_orphan(const State& state);

/// The file that record_cgroup() writes.
std::string cgroup_record(const std::string& directory);

}  // namespace sandbox::container
