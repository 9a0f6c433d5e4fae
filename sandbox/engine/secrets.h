// `run --secret`: which secrets a container gets, and how.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"
#include "userns/launch_plan.h"

namespace sandbox::engine {

/// One --secret, and what is to be read. It is kept in the container's directory: the secret may go meanwhile.
struct ChosenSecret {
  std::string name;    ///< Of the secret, or its id.
  std::string target;  ///< An absolute path in the container; or with `variable` the name of one.
  bool variable = false;
  std::optional<std::uint32_t> uid, gid;
  unsigned mode = 0444;
  std::string data;
};

/// "name", "name,type=mount,target=file,uid=1,gid=1,mode=0400", "name,type=env,target=NAME" as with Podman; a target
/// that is no absolute path is one below /run/secrets. Throws UsageError. Pure.
ChosenSecret parse_secret(std::string_view words);

/// The same with their data. Throws NotFound.
std::vector<ChosenSecret> choose_secrets(const Places& places, const std::vector<std::string>& words);

/// The file of the secret `number` in a container's directory.
std::string secret_file(std::size_t number);

/// Mounts of `secrets` from the container's `directory`, below a file system in memory at /run/secrets. Pure.
std::vector<userns::MountOp> secret_mounts(const std::vector<ChosenSecret>& secrets, const std::string& directory);
/// Those that are variables. Pure.
std::vector<container::SecretVariable> secret_variables(const std::vector<ChosenSecret>& secrets);

/// Writes the files into a container's directory, with their owners and modes. Throws Unsupported for an owner that the
/// container doesn't have.
void write_secrets(const Places& places, const userns::LaunchPlan& plan, const std::string& directory,
                   const std::vector<ChosenSecret>& secrets);

}  // namespace sandbox::engine
