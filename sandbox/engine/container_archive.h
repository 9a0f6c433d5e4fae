// A container's files as an archive: what it has changed, or all of it. Runs in the client; the files are read in a
// child process that is root of the user namespace that they belong to.
#pragma once

#include <functional>
#include <string>

#include "fuse-overlay/store/diff.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"

namespace sandbox::engine {

/// Runs `act` in a child that can read a container's files whatever their owner and mode, and returns what it returned
/// there. Throws Unsupported when they belong to a range of ids that is there no more.
std::string as_owner_of_files(const Places& places, const container::Container& container,
                              const std::function<std::string()>& act);

/// The owners that processes of a namespace with one id have given to what is in a container's upper directory, or in
/// its merged tree. Reads the records now.
overlay::RecordedObject recorded_owners(const std::string& upper);

/// The writable layer; see overlay::write_diff. Throws Unsupported for a container that writes to a directory of the
/// host.
overlay::WrittenArchive write_changes(const Places& places, const container::Container& container, int archive_fd,
                                      overlay::Compression compression);
/// The whole tree; see overlay::write_merged.
overlay::WrittenArchive write_tree(const Places& places, const container::Container& container, int archive_fd);

/// While it lives a running container is frozen (`pause`), if it was running and can be. It goes on, too, when this
/// process ends, however that happens.
class Frozen {
 public:
  /// `warn` is told when the container has no cgroup to freeze it in.
  Frozen(const Places& places, const container::Container& container,
         const std::function<void(const std::string&)>& warn);
  /// Returns when the container goes on.
  ~Frozen();
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  Fd supervisor_;  ///< The connection that holds the pause; none: nothing was frozen.
};

}  // namespace sandbox::engine
