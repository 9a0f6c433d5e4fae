// See shared_namespaces.h. The words of errors are moby's (daemon/container_operations_unix.go).
#include "sandbox/container/shared_namespaces.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/container_store.h"

namespace sandbox::container {
namespace {

using userns::NamespaceKind;
using userns::NamespacePlan;

struct Kind {
  const char* word;  ///< In Spec::shared_namespaces.
  const char* proc_name;
  const char* title;
  NamespaceKind kind;
  bool NamespacePlan::* is_own;
};
// The user namespace is that of the others, so it comes last.
constexpr Kind kKinds[] = {{"network", "net", "network", NamespaceKind::network, &NamespacePlan::network},
                           {"pid", "pid", "PID", NamespaceKind::pid, &NamespacePlan::pid},
                           {"ipc", "ipc", "IPC", NamespaceKind::ipc, &NamespacePlan::ipc},
                           {"uts", "uts", "UTS", NamespaceKind::uts, &NamespacePlan::uts},
                           {"cgroup", "cgroup", "cgroup", NamespaceKind::cgroup, &NamespacePlan::cgroup},
                           {"user", "user", "user", NamespaceKind::user, &NamespacePlan::user}};

const Kind& kind_of(NamespaceKind kind) { return *std::ranges::find(kKinds, kind, &Kind::kind); }

Conflict not_running(const Kind& kind, const std::string& id) {
  if (kind.kind == NamespaceKind::network) {
    return Conflict(fmt::format("cannot join network of a non running container: {}", id));
  }
  return Conflict(fmt::format("failed to join {} namespace: container {} is not running", kind.title, id));
}

State state_of(const ContainerStore& store, const Kind& kind, const std::string& id) {
  const Container other = store.find(id);
  if (other.spec.id != id) throw NotFound(fmt::format("No such container: {}", id));
  if (other.state.status == Status::restarting) {
    throw Conflict(fmt::format("container {} is restarting, wait until the container is running", id));
  }
  if (other.state.status != Status::running) throw not_running(kind, id);
  return other.state;
}

bool is_same(int one, const Result<struct stat>& other) {
  const auto status = sys::fstat(one);
  return status && other && status->st_dev == other->st_dev && status->st_ino == other->st_ino;
}

bool is_hosts(int file, const Kind& kind) {
  return is_same(file, sys::fstatat(AT_FDCWD, fmt::format("/proc/self/ns/{}", kind.proc_name).c_str(), 0));
}

/// ioctl_nsfs(2).
bool belongs_to(int file, int user_namespace) {
  const Fd owner(::ioctl(file, NS_GET_USERNS));
  return owner && is_same(user_namespace, sys::fstat(owner.get()));
}

/// A file of the other's first process: of the right one, if that has its start time afterwards, too.
Fd open_of(const State& state, const char* proc_name, const Kind& kind, const std::string& id) {
  const std::string path = fmt::format("/proc/{}/ns/{}", state.pid, proc_name);
  auto file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY);
  if (!file && (file.error().value == ENOENT || file.error().value == ESRCH)) throw not_running(kind, id);
  return std::move(file) | or_throw("opening '{}'", path);
}

std::string path_of(const Fd& file) { return fmt::format("/proc/self/fd/{}", file.get()); }

}  // namespace

SharedNamespaces::SharedNamespaces(const Places& places, const Spec& spec) {
  const ContainerStore store(places);
  for (const Kind& kind : kKinds) {
    const auto shared = spec.shared_namespaces.find(kind.word);
    if (shared == spec.shared_namespaces.end()) continue;
    const std::string& id = shared->second;
    const State other = state_of(store, kind, id);
    Fd file = open_of(other, kind.proc_name, kind, id);
    if (kind.kind == NamespaceKind::ipc) mounts_ = open_of(other, "mnt", kind, id);
    others_.push_back({kind.kind, id, other.pid, other.pid_start});
    // It was decided to be no namespace of the host's, and what it has been given would be dangerous there.
    if (spec.plan.namespaces.*(kind.is_own) && is_hosts(file.get(), kind)) throw not_running(kind, id);
    opened_.push_back({kind.kind, std::move(file)});
  }
  require_running();
  check_owner(spec);
}

void SharedNamespaces::require_running() const {
  for (const Other& other : others_) {
    if (process_start_time(other.pid) != other.pid_start) throw not_running(kind_of(other.kind), other.id);
  }
}

/// Others that had the user namespace in common may have been started anew.
void SharedNamespaces::check_owner(const Spec& spec) const {
  const auto user = std::ranges::find(opened_, NamespaceKind::user, &userns::OpenedNamespace::kind);
  for (const auto& [kind, file] : opened_) {
    if (kind == NamespaceKind::user || is_hosts(file.get(), kind_of(kind))) continue;
    if (user != opened_.end() && belongs_to(file.get(), user->file.get())) continue;
    const Kind& names = kind_of(kind);
    throw Conflict(fmt::format("failed to join {} namespace: that of container {} is of another user namespace than "
                               "the others that are shared", names.title, spec.shared_namespaces.at(names.word)),
                   "start the containers again that share namespaces, the one first whose they are");
  }
}

userns::LaunchPlan SharedNamespaces::joined_to(const userns::LaunchPlan& plan) const {
  userns::LaunchPlan joined = plan;
  for (const auto& [kind, file] : opened_) {
    joined.namespaces.*(kind_of(kind).is_own) = false;
    joined.namespaces.joined.push_back({kind, path_of(file)});
    if (kind == NamespaceKind::uts) joined.hostname = joined.domainname = "";
  }
  if (!mounts_) return joined;
  for (userns::MountOp& mount : joined.mounts) {
    if (mount.kind != userns::MountKind::tmpfs || mount.source != shared_memory_name) continue;
    mount.kind = userns::MountKind::bind;
    mount.source = mount.target;
    mount.mounts_of = path_of(mounts_);
    mount.recursive = false;
  }
  return joined;
}

}  // namespace sandbox::container
