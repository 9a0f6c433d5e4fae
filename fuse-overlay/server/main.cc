// The overlay helper (sbx:overlay): one per root file system that is mounted through FUSE. It joins the
// container's user namespace, so that owners on disk and in requests are the same numbers as inside,
// stays in the host's mount namespace, where the layers are, and confines itself before it serves.
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fuse-overlay/overlay_server.h"
#include "fuse-overlay/server/confine.h"
#include "fuse-overlay/server/operations.h"
#include "fuse-overlay/server/workers.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr unsigned kLeastThreads = 4, kMostThreads = 16;
constexpr unsigned long kCloneDevice = _IOR(229, 0, std::uint32_t);  // FUSE_DEV_IOC_CLONE of linux/fuse.h

Fd open_layer(const std::string& path) {
  return sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("overlay: opening layer '{}'", path);
}

/// Every file that the container has open costs a descriptor here.
std::size_t raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) < 0) throw SysError(Errno{errno}, "reading the limit of open files");
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) < 0) throw SysError(Errno{errno}, "raising the limit of open files");
  return files.rlim_cur;
}

/// A clone's opener must be of the mount's user namespace (fuse_dev_ioctl_clone in fs/fuse/dev.c), as we are now.
std::vector<Fd> open_channels(Fd device) {
  const unsigned count = std::clamp(2 * std::thread::hardware_concurrency(), kLeastThreads, kMostThreads);
  std::vector<Fd> channels;
  const auto number = static_cast<std::uint32_t>(device.get());
  channels.push_back(std::move(device));
  while (channels.size() < count) {
    Fd clone = sys::openat(AT_FDCWD, "/dev/fuse", O_RDWR) | or_throw("opening '/dev/fuse'");
    if (::ioctl(clone.get(), kCloneDevice, &number) < 0) throw SysError(Errno{errno}, "cloning the FUSE device");
    channels.push_back(std::move(clone));
  }
  return channels;
}

void negotiate(void* user_data, fuse_conn_info* connection) {
  const bool shared = static_cast<Served*>(user_data)->lower_may_change;
  unsigned wanted = FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_READ |
                    FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_CACHE_SYMLINKS;
  // With a writeback cache the kernel is the one to know sizes and times: nobody else may change files.
  if (!shared) wanted |= FUSE_CAP_WRITEBACK_CACHE;
  connection->want |= connection->capable & wanted;
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops table{};
  table.init = negotiate;
  add_name_operations(table);
  add_directory_operations(table);
  add_file_operations(table);
  add_attribute_operations(table);
  return table;
}

void wait_for_end(const Fd& lifetime) {
  pollfd item{lifetime.get(), POLLIN, 0};
  while (::poll(&item, 1, -1) < 0 && errno == EINTR) {
  }
}

void serve(const ServerConfig& config, Fd& ready, const Fd& lifetime, Fd device, Fd user_namespace) {
  Settings settings;
  std::vector<int> readable, writable;
  for (const std::string& path : config.lower) readable.push_back(settings.lower.emplace_back(open_layer(path)).get());
  if (!config.upper.empty()) {
    writable.push_back((settings.upper = open_layer(config.upper)).get());
    writable.push_back((settings.work = open_layer(config.work)).get());
  }
  if (config.squash) settings.squash = {config.squash->uid, config.squash->gid};
  settings.directory_capacity = std::clamp<std::size_t>(raise_file_limit() / 4, 64, 8192);
  sys::setns(user_namespace.get(), CLONE_NEWUSER) | or_throw("joining the container's user namespace");
  user_namespace.reset();
  Workers workers(open_channels(std::move(device)));
  settings.before_waiting = [&workers] { workers.before_waiting(); };
  ::umask(0);
  confine_files(readable, writable);
  Overlay overlay(std::move(settings));
  Served served{overlay, config.lower_may_change};
  const fuse_lowlevel_ops table = operations();
  workers.start(table, &served);
  confine_calls();
  workers.open();
  answer_ready(std::move(ready));
  wait_for_end(lifetime);
  ::_exit(0);  // closing the channels aborts what is still asked
}

}  // namespace

int overlay_main(Fd config, Fd ready, Fd lifetime, Fd fuse, Fd user_namespace) {
  try {
    ::signal(SIGPIPE, SIG_IGN);
    ::prctl(PR_SET_NAME, "sbx:overlay");
    const ServerConfig settings = config_from_json(parse_json(read_helper_document(config), "overlay configuration"));
    config.reset();
    serve(settings, ready, lifetime, std::move(fuse), std::move(user_namespace));
  } catch (const std::exception& error) {
    answer_failure(std::move(ready), error);
  }
  return 1;
}

}  // namespace sandbox::overlay
