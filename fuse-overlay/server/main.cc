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
#include <sys/signalfd.h>
#include <unistd.h>

#include "fuse-overlay/overlay_server.h"
#include "fuse-overlay/server/confine.h"
#include "fuse-overlay/server/operations.h"
#include "fuse-overlay/server/own_mounts.h"
#include "fuse-overlay/server/workers.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

constexpr unsigned kLeastThreads = 4, kMostThreads = 16;
constexpr unsigned kBackground = 64;  // requests that the kernel may have waiting beside those that somebody waits for
constexpr unsigned long kCloneDevice = _IOR(229, 0, std::uint32_t);  // FUSE_DEV_IOC_CLONE of linux/fuse.h

Fd open_layer(const std::string& path) {
  return sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("overlay: opening layer '{}'", path);
}

/// Of a container, the server joins the user namespace, and is in another mount namespace already. Of a mount in the
/// namespaces that it was started in, it is the other way round: no process joins its own user namespace (setns(2)).
void join(const Fd& user_namespace) {
  const auto wanted = sys::fstat(user_namespace.get()) | or_throw("reading the container's user namespace");
  const auto own = sys::fstatat(AT_FDCWD, "/proc/self/ns/user", 0) | or_throw("reading '/proc/self/ns/user'");
  if (wanted.st_ino == own.st_ino && wanted.st_dev == own.st_dev) return enter_own_mounts();
  sys::setns(user_namespace.get(), CLONE_NEWUSER) | or_throw("joining the container's user namespace");
}

/// Every file that the container has open costs a descriptor here.
std::size_t raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) < 0) throw SysError(Errno{errno}, "reading the limit of open files");
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) < 0) throw SysError(Errno{errno}, "raising the limit of open files");
  return files.rlim_cur;
}

/// Those that this process may use.
int processors() {
  cpu_set_t allowed;
  return ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
}

/// A clone's opener must be of the mount's user namespace (fuse_dev_ioctl_clone in fs/fuse/dev.c).
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
  Served& server = *static_cast<Served*>(user_data);
  unsigned wanted = FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_READ |
                    FUSE_CAP_ASYNC_DIO | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_SPLICE_WRITE;
  // No FUSE_CAP_WRITEBACK_CACHE: with it, every close of a file makes its next stat a request, and every removal
  // takes one more, to spare those for writes below a page; and a full disk would show after write(2) has succeeded.
  // What is opened without a request is cached for good, and never refused.
  if (server.lower_may_change) {
    wanted |= FUSE_CAP_AUTO_INVAL_DATA;
  } else {
    server.leaves_out_open = server.overlay.is_writable() && (connection->capable & FUSE_CAP_NO_OPEN_SUPPORT) != 0;
    server.leaves_out_opendir = (connection->capable & FUSE_CAP_NO_OPENDIR_SUPPORT) != 0;
  }
  connection->want = connection->capable & wanted;
  connection->max_background = kBackground;
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

/// SIGUSR1 as a descriptor; for a process that has no other thread yet.
Fd take_signals() {
  sigset_t asked;
  ::sigemptyset(&asked);
  ::sigaddset(&asked, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &asked, nullptr);
  Fd signals(::signalfd(-1, &asked, SFD_CLOEXEC));
  if (!signals) throw SysError(Errno{errno}, "making a descriptor for signals");
  return signals;
}

/// Until the container's supervisor has gone. SIGUSR1: the counts of requests so far, as a line on standard error.
void wait_for_end(const Fd& lifetime, const Fd& signals, const RequestCounts& counts) {
  pollfd items[] = {{lifetime.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
  while (items[0].revents == 0) {
    if (::poll(items, std::size(items), -1) < 0 && errno != EINTR) return;
    signalfd_siginfo signal;
    if (items[1].revents == 0 || !sys::read(signals.get(), &signal, sizeof signal)) continue;
    const std::string line = counts.text() + "\n";
    (void)sys::write_all(STDERR_FILENO, line.data(), line.size());
  }
}

void serve(const ServerConfig& config, Fd& ready, const Fd& lifetime, Fd device, Fd user_namespace) {
  const Fd signals = take_signals();
  Settings settings;
  std::vector<int> readable, writable;
  for (const std::string& path : config.lower) readable.push_back(settings.lower.emplace_back(open_layer(path)).get());
  if (!config.upper.empty()) {
    writable.push_back((settings.upper = open_layer(config.upper)).get());
    writable.push_back((settings.work = open_layer(config.work)).get());
  }
  if (config.squash) settings.squash = {config.squash->uid, config.squash->gid};
  settings.uids = IdTranslation(config.uids);
  settings.gids = IdTranslation(config.gids);
  settings.quota = {config.most_bytes, config.most_objects};
  settings.whiteout_files = config.whiteout_files;
  settings.open_capacity = std::clamp<std::size_t>(raise_file_limit() / 4, 64, 8192);
  std::vector<Fd> channels;
  if (config.on_host) channels = open_channels(std::move(device));
  join(user_namespace);
  user_namespace.reset();
  if (!config.on_host) channels = open_channels(std::move(device));
  const int usable = processors();
  std::optional<Overlay> overlay;  // before the workers, which call it once they are open
  // With one processor, what is done ahead is taken from those who ask.
  Workers workers(std::move(channels), usable, [&overlay, usable] { return usable > 1 && overlay->work_ahead(); });
  settings.before_waiting = [&workers] { workers.before_waiting(); };
  ::umask(0);
  confine_files(readable, writable);
  overlay.emplace(std::move(settings));
  Served served{*overlay, config.lower_may_change};
  const fuse_lowlevel_ops table = operations();
  try {
    workers.start(table, &served);
    confine_calls();
  } catch (const std::exception& error) {
    answer_failure(std::move(ready), error);
    ::_exit(1);  // threads that were started wait on what an exception would take from under them
  }
  answer_ready(std::move(ready));  // first: a mount that is gone again at once ends the process
  workers.open();
  wait_for_end(lifetime, signals, workers.counts());
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
