// A mount namespace of the server's own, where it serves a mount of the namespace that it was started in.
#pragma once

namespace sandbox::overlay {

/// A process keeps its mount namespace, with all mounts in it: the server would keep its own mount for ever, once the
/// last of those who use it has gone without unmounting it. So it goes into a namespace where neither that mount nor
/// one of another server is. Precondition: the mount is attached nowhere yet, and this process has one thread. Throws
/// SysError.
void enter_own_mounts();

}  // namespace sandbox::overlay
