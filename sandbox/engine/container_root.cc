// See container_root.h.
//
// A container that doesn't run is launched up to the point where its program would begin; there it hands over its
// namespaces and its root and ends. The descriptors keep the mounts alive. The child that works with them never enters
// the root, so that the C library finds nothing of the container's to load (CVE-2019-14271).
#include "sandbox/engine/container_root.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/helpers.h"
#include "sandbox/container/supervisor_lock.h"
#include "sandbox/engine/id_range.h"
#include "userns/joined_namespaces.h"
#include "userns/kept_namespace.h"
#include "userns/launch.h"

namespace sandbox::engine {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

/// No process of the container may look into this one, and it ends with its parent. Both are lost with a change of ids.
void protect() {
  ::prctl(PR_SET_DUMPABLE, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

std::string act_as_root(Fd user_namespace, int root, const InContainer& act) {
  protect();
  std::vector<userns::OpenedNamespace> namespaces;
  namespaces.push_back({userns::NamespaceKind::user, std::move(user_namespace)});
  userns::enter_namespaces(namespaces);
  protect();
  ::umask(0);
  return act(root);
}

std::string act_in_running(const container::State& state, const InContainer& act) {
  const std::string process = fmt::format("/proc/{}", state.pid);
  const Fd root = sys::openat(AT_FDCWD, (process + "/root").c_str(), O_PATH | O_DIRECTORY) |
                  or_throw("opening the container's root");
  Fd user = sys::openat(AT_FDCWD, (process + "/ns/user").c_str(), O_RDONLY) |
            or_throw("opening the container's user namespace");
  // Both are of one process and of the right one, if it still has its start time now.
  if (process_start_time(state.pid) != state.pid_start) throw Error("the container has ended");
  return act_as_root(std::move(user), root.get(), act);
}

/// A container that has been set up and has no process.
struct SetUp {
  Fd user_namespace, mount_namespace, root;
  HelperProcess overlay;

  ~SetUp() {
    user_namespace.reset();
    mount_namespace.reset();
    root.reset();
    overlay.lifetime.reset();
    if (overlay.pid > 0) (void)::waitpid(overlay.pid, nullptr, 0);  // lets go of the layers
  }
};

userns::LaunchPlan without_program(const userns::LaunchPlan& plan) {
  userns::LaunchPlan files = plan;
  files.network.reset();
  files.sysctls.clear();
  files.process = {};
  files.process.argv = {"/"};
  return files;
}

void set_up(const userns::LaunchPlan& plan, SetUp& result) {
  sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("making a socket");
  userns::LaunchHooks hooks = container::launch_hooks(plan, result.overlay);
  Fd user, mounts;
  hooks.in_namespaces = [&] {
    user = sys::openat(AT_FDCWD, "/proc/self/ns/user", O_RDONLY) | or_throw("opening '/proc/self/ns/user'");
    mounts = sys::openat(AT_FDCWD, "/proc/self/ns/mnt", O_RDONLY) | or_throw("opening '/proc/self/ns/mnt'");
  };
  hooks.before_program = [&](const userns::Become&) {
    const Fd root = sys::openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY) | or_throw("opening '/'");
    const int fds[] = {user.get(), mounts.get(), root.get()};
    const std::byte word{};
    sys::send_message(channel.second.get(), {&word, 1}, fds) | or_throw("handing over the root");
    ::_exit(0);
  };
  auto launched = userns::Launched::begin(plan, {}, hooks);
  launched.start();
  channel.second.reset();
  auto message = sys::receive_message(channel.first.get(), 1) | or_throw("receiving the container's root");
  if (message.fds.size() != 3) throw Error("the container's root did not come");
  result.user_namespace = std::move(message.fds[0]);
  result.mount_namespace = std::move(message.fds[1]);
  result.root = std::move(message.fds[2]);
  (void)sys::wait_pidfd(launched.pidfd());
}

std::string act_in_new(const userns::LaunchPlan& plan, const InContainer& act) {
  SetUp files;
  set_up(plan, files);
  return ask_child([&] {
    Fd user = sys::dup(files.user_namespace.get()) | or_throw("holding a namespace");
    return act_as_root(std::move(user), files.root.get(), act);
  });
}

std::string act_in_stopped(const container::Container& container, const InContainer& act) {
  std::optional<container::SupervisorLock> lock;
  try {
    lock.emplace(container, kPatience);
  } catch (const Conflict&) {
    throw Conflict(fmt::format("container {} is in use by another command", container.spec.name));
  }
  container::make_scratch(container.spec.plan);
  return act_in_new(without_program(container.spec.plan), act);
}

userns::LaunchPlan image_alone(const userns::LaunchPlan& plan) {
  userns::LaunchPlan files = without_program(plan);
  files.mounts.clear();
  files.devices.clear();
  files.masked_paths.clear();
  files.read_only_paths.clear();
  files.populate_dev = false;
  files.root.upper.clear();
  files.root.work.clear();
  files.root.read_only = true;
  if (files.root.lower.size() == 1 && files.root.driver != userns::RootDriver::fuse) {  // the kernel merges two or more
    files.root.directory = files.root.lower.front();
    files.root.lower.clear();
  }
  return files;
}

/// Runs `act` in a child that is root of the user's range of ids, where the container's own are nested in it.
AskedChild ask_near(const Places& places, const userns::IdentityPlan& identity,
                    const std::function<std::string()>& act) {
  Fd kept;
  if (identity.nested) {
    FoundRange range = find_id_range(places);
    if (!range.kept) throw Unsupported("the container needs a range of ids: " + range.reason, range.fix);
    kept = std::move(range.kept->user_ns);
  }
  return AskedChild([&] {
    protect();
    if (kept) userns::enter_namespace(kept.get());
    protect();
    return act();
  });
}

}  // namespace

AskedChild ask_in_container(const Places& places, const container::Container& container, const InContainer& act) {
  if (container.state.status == container::Status::running) {
    return AskedChild([&] { return act_in_running(container.state, act); });
  }
  return ask_near(places, container.spec.plan.identity, [&] { return act_in_stopped(container, act); });
}

AskedChild ask_in_image(const Places& places, const userns::LaunchPlan& plan, const InContainer& act) {
  return ask_near(places, plan.identity, [&] { return act_in_new(image_alone(plan), act); });
}

}  // namespace sandbox::engine
