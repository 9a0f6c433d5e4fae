// Devices by name (Container Device Interface, CNCF's SPEC.md): what a vendor's description in JSON or YAML says that a
// container needs for them. The descriptions are an administrator's or the user's, and may be of a newer version than
// we know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::engine {

struct CdiNode {
  std::string path, host_path;  ///< In the container, and on the host.
  std::string permissions;      ///< Of "rwm"; empty: "rwm".
};

struct CdiMount {
  std::string source, target;
  std::vector<std::string> options;  ///< As of mount(8).
};

/// What is done to a container.
struct CdiEdits {
  std::vector<std::string> env;  ///< Assignments.
  std::vector<CdiNode> nodes;
  std::vector<CdiMount> mounts;
  std::vector<std::string> hooks;   ///< Names of programs that would have to be run on the host.
  std::vector<std::string> beyond;  ///< Members of the description that only root could heed.
};

struct CdiDevice {
  std::string name;
  CdiEdits edits;
};

struct CdiSpec {
  std::string kind;  ///< "vendor.com/class"
  CdiEdits edits;    ///< For each of its devices.
  std::vector<CdiDevice> devices;
};

/// YAML under a name that ends like that, else JSON. Throws InvalidInput for what is no description, and as the
/// specification demands for members and versions that are not known here. Pure.
CdiSpec parse_cdi(std::string_view text, std::string_view name);

/// Whether a --device names one: "vendor.com/class=name". Pure.
bool is_cdi_name(std::string_view word);

/// The names that a --gpus stands for: "all" or "device=0,1" of the kind nvidia.com/gpu. Throws UsageError. Pure.
std::vector<std::string> gpu_names(std::string_view words);

/// What the devices `names` need, from the descriptions in /etc/cdi, /var/run/cdi and the user's configuration, of
/// which a later one counts. Throws NotFound; Conflict where two descriptions in one directory have it; Unsupported.
std::vector<CdiEdits> find_cdi_devices(const std::vector<std::string>& names);

}  // namespace sandbox::engine
