#include "userns/joined_namespaces.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/sys.h"

namespace sandbox::userns {
namespace {

struct Kind {
  const char* words;
  const char* proc_name;
  const char* own_name;  ///< Of the namespace that a process has made for itself.
  int flag;
};

// In the order of NamespaceKind. A process that makes a time namespace is in it only after execve(2).
constexpr Kind kinds[] = {
    {"user", "user", "user", CLONE_NEWUSER}, {"pid", "pid", "pid", CLONE_NEWPID},
    {"network", "net", "net", CLONE_NEWNET}, {"ipc", "ipc", "ipc", CLONE_NEWIPC},
    {"uts", "uts", "uts", CLONE_NEWUTS},     {"cgroup", "cgroup", "cgroup", CLONE_NEWCGROUP},
    {"mount", "mnt", "mnt", CLONE_NEWNS},    {"time", "time", "time_for_children", CLONE_NEWTIME}};

const Kind& describe_kind(NamespaceKind kind) { return kinds[static_cast<std::size_t>(kind)]; }

bool is_own(int file, const Kind& kind) {
  const std::string own = fmt::format("/proc/self/ns/{}", kind.proc_name);
  const auto ours = sys::fstatat(AT_FDCWD, own.c_str(), 0) | or_throw("reading '{}'", own);
  const auto theirs = sys::fstat(file) | or_throw("reading the status of a namespace");
  return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

void become_root_if_mapped() {
  // EINVAL: this namespace has no root for us; then the joined process keeps the id that it has.
  if (::setresgid(0, 0, 0) < 0 && errno != EINVAL) throw SysError(Errno{errno}, "setresgid 0");
  if (::setresuid(0, 0, 0) < 0 && errno != EINVAL) throw SysError(Errno{errno}, "setresuid 0");
}

}  // namespace

std::vector<OpenedNamespace> open_namespaces(const std::vector<JoinedNamespace>& joined) {
  std::vector<OpenedNamespace> opened;
  for (const JoinedNamespace& wanted : joined) {
    const Kind& kind = describe_kind(wanted.kind);
    Fd file = sys::openat(AT_FDCWD, wanted.path.c_str(), O_RDONLY | O_NONBLOCK) |
              or_throw("opening the {} namespace '{}'", kind.words, wanted.path);
    const auto type = sys::fstatfs_type(file.get());
    if (!type || *type != NSFS_MAGIC || ::ioctl(file.get(), NS_GET_NSTYPE) != kind.flag) {
      throw InvalidInput(fmt::format("'{}' is not a {} namespace", wanted.path, kind.words));
    }
    if (!is_own(file.get(), kind)) opened.push_back({wanted.kind, std::move(file)});
  }
  return opened;
}

std::vector<Fd> open_own_namespaces() {
  std::vector<Fd> files;
  for (const Kind& kind : kinds) {
    const std::string path = fmt::format("/proc/self/ns/{}", kind.own_name);
    auto file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY);
    if (!file && file.error().value == ENOENT) continue;  // a kernel without this kind
    files.push_back(std::move(file) | or_throw("opening '{}'", path));
  }
  return files;
}

std::vector<OpenedNamespace> recognize_namespaces(std::vector<Fd> files) {
  std::vector<OpenedNamespace> recognized;
  for (Fd& file : files) {
    const auto* kind = std::ranges::find(kinds, ::ioctl(file.get(), NS_GET_NSTYPE), &Kind::flag);
    if (kind == std::end(kinds)) throw InvalidInput("a descriptor that came from the container is no namespace's");
    if (is_own(file.get(), *kind)) continue;
    recognized.push_back({static_cast<NamespaceKind>(kind - kinds), std::move(file)});
  }
  return recognized;
}

/// A namespace belongs to the user namespace that it was made in (namespaces(7)): to the caller's or one above, then it
/// must be entered before a user namespace is joined, which loses the right to; or to the joined one, then after.
void enter_namespaces(const std::vector<OpenedNamespace>& namespaces) {
  std::vector<const OpenedNamespace*> later;
  const OpenedNamespace* user = nullptr;
  for (const OpenedNamespace& each : namespaces) {
    if (each.kind == NamespaceKind::user) {
      user = &each;
      continue;
    }
    const auto entered = sys::setns(each.file.get(), describe_kind(each.kind).flag);
    if (entered) continue;
    if (entered.error().value != EPERM)
      throw SysError(entered.error(), fmt::format("joining a {} namespace", describe_kind(each.kind).words));
    later.push_back(&each);
  }
  if (user != nullptr) {
    sys::setns(user->file.get(), CLONE_NEWUSER) | or_throw("joining a user namespace");
    become_root_if_mapped();
  }
  for (const OpenedNamespace* each : later) {
    sys::setns(each->file.get(), describe_kind(each->kind).flag) |
        or_throw("joining a {} namespace", describe_kind(each->kind).words);
  }
}

void enter_unseen(const std::vector<OpenedNamespace>& namespaces) {
  ::prctl(PR_SET_DUMPABLE, 0);
  enter_namespaces(namespaces);
  ::prctl(PR_SET_DUMPABLE, 0);  // a change of ids may have set it (prctl(2))
}

}  // namespace sandbox::userns
