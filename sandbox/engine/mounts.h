// -v, --mount and --tmpfs as mount operations, and the mounts that every container has.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/container/volume_store.h"
#include "sandbox/engine/requests.h"
#include "userns/launch_plan.h"

namespace sandbox::engine {

struct UserMount {
  userns::MountOp op;
  bool create_source = false;  ///< -v of a host's directory: an absent source becomes one.
  std::string volume;          ///< The name of the volume that is mounted; empty: none.
  bool anonymous = false;      ///< A volume without a name that anybody has given; user_mounts() gives it one.
  std::vector<std::string> labels;  ///< KEY[=VALUE], of a volume that is made.
  bool copies = true;          ///< An empty volume begins with what the image has at the target.
  bool gives_owner = false;    ///< What is in the source is made to belong to the container's user.
  bool is_scratch = false;     ///< What is written over the source stays with the container, for one of its runs.
  std::string image;           ///< The image whose files are mounted; empty: none.
};

/// `data`: the data directory, where volumes live as volumes/NAME/_data. Throws UsageError.
UserMount parse_volume(std::string_view text, const std::string& data);
UserMount parse_mount(std::string_view text, const std::string& data);
UserMount parse_tmpfs(std::string_view text);
/// With options of -v, as words of their own. Throws UsageError.
UserMount bind_mount(const std::string& source, const std::string& target, const std::vector<std::string>& options);

/// The images that --mount type=image names. Throws UsageError.
std::vector<std::string> mounted_images(const RunRequest& request);

/// What mounts are made of beside the request's words.
struct MountSources {
  std::string data, id;                     ///< The data directory, and the container's id.
  std::vector<std::string> image_volumes;   ///< Targets that the image declares.
  std::vector<UserMount> inherited;         ///< Of --volumes-from.
  std::map<std::string, std::vector<std::string>> layers = {};  ///< Of mounted_images(), top-most first.
};

/// All mounts that the request and its image ask for, parents before children. Throws UsageError.
std::vector<UserMount> user_mounts(const RunRequest& request, const MountSources& sources);

/// The mounts of another container that --volumes-from hands on: volumes, and what is bound of the host. `words`:
/// CONTAINER[:ro|:rw], whose end says how. Throws UsageError.
std::vector<UserMount> inherited_mounts(const container::Container& other, std::string_view words,
                                        const container::VolumeStore& volumes);
/// The container's name in such words.
std::string container_of(std::string_view words);
/// Docker's default list for the chosen namespaces, without the generated files.
std::vector<userns::MountOp> default_mounts(const userns::NamespacePlan& namespaces, std::uint64_t shm_size);


}  // namespace sandbox::engine
