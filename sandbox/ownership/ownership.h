// Ownership with one user id. Where a container's user namespace maps a single id, no object can belong to another and
// no process can become another user: the kernel says EINVAL before any file system is asked. So the calls with which
// programs do that are answered by a helper process (sbx:owner) through seccomp's user notification: changes of owners
// are recorded for the layer that is made of the container's files (fuse-overlay/store/owner_record.h), devices become
// empty files with a record, and the ids that a process has set are those that it and its children are told from then
// on. What such a process makes is recorded as its own (answers_creation.cc): a filter can't tell it from root, so that
// each call that makes an object asks, and root's goes on at once. Where owners are to be shown, so do stat(2) and its
// like (answers_status.cc).
//
// What this does not do: a process that has changed its ids is still the user's own, with the rights that it had.
// Nobody is kept from a file of another's, nor from changing its mode, nor from killing another's process. Modes are
// those on the disk, where the user keeps its access. Not recorded: who makes a socket, or a file by a symbolic link to
// nowhere. Not shown: owners of objects in procfs. Set-ID programs run with the ids
// of who starts them.
//
// Nothing here is a boundary: a call that is answered wrongly, because the process has changed its arguments meanwhile
// or has lied about its number, puts wrong records on the container's own files. The helper has the kernel continue
// with a call only where that does what it would have done anyway, and uses paths only in the root of the process that
// named them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/base/json_fwd.h"
#include "sandbox/ownership/calls.h"

namespace sandbox::ownership {

struct Config {
  std::uint32_t uid = 0, gid = 0;  ///< The ids that the namespace maps, in the namespace.
  std::string upper;               ///< The root's upper directory; empty: the root is a directory as it is.
  std::string file;                ///< For overlay::OwnerFile.
  /// Mount points in the root whose objects have records like those of the root itself.
  std::vector<std::string> recorded;
};

/// Whether the running kernel can notify (Linux 5.0), and nobody has this process's calls answered already.
/// Precondition: one thread.
bool is_supported();

/// The helper from the side of the container's supervisor, whose child it is. It ends when this object does.
class Helper {
 public:
  /// Starts it; it prepares itself meanwhile. Throws SysError.
  explicit Helper(const Config& config);

  pid_t pid() const { return pid_; }
  /// When the container's user namespace and its root are there, before its program starts. Throws SysError.
  void connect(const Fd& user_namespace, const Fd& root);
  /// Returns when it serves. Throws Error with its reason.
  void await_ready();
  /// Has it answer the calls of another filter, whose first process is to believe that it has these ids: user, group,
  /// supplementary groups.
  void serve(Fd listener, const std::vector<std::uint32_t>& ids);

 private:
  Fd channel_;
  pid_t pid_ = -1;
};

/// Body of `sandbox helper owner CONFIG_FD CHANNEL_FD`.
int owner_main(Fd config, Fd channel);

}  // namespace sandbox::ownership
