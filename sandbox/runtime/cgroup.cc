#include "sandbox/runtime/cgroup.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/places.h"
#include "sandbox/base/sys.h"
#include "sandbox/cgroup/container_cgroup.h"
#include "sandbox/cgroup/device_program.h"
#include "sandbox/cgroup/survey.h"
#include "sandbox/cgroup/systemd_scope.h"
#include "userns/kept_namespace.h"
#include "userns/subordinate_ids.h"

namespace sandbox::runtime {

using cgroup::Directory;
using cgroup::Setting;

constexpr unsigned placeholder_rest = 3;  // seconds

/// A process that does nothing: a scope of systemd's begins with one, and ends with its last.
class Placeholder {
 public:
  Placeholder() : Placeholder(::getpid()) {}
  ~Placeholder() {
    (void)sys::pidfd_send_signal(process_.pidfd.get(), SIGKILL);
    (void)sys::wait_pidfd(process_.pidfd.get());
  }
  Placeholder(const Placeholder&) = delete;
  Placeholder& operator=(const Placeholder&) = delete;
  pid_t pid() const { return process_.pid; }

 private:
  explicit Placeholder(pid_t maker) : process_(sys::clone3(0) | or_throw("forking")) {
    if (process_.pid == 0) outlive(maker);
  }

  /// It stays a moment longer than a maker that is killed: a process that has just ended is moved without a word and
  /// without effect (cgroup_migrate_add_task() in the kernel's kernel/cgroup/cgroup.c), and systemd would wait for the
  /// end of a scope that never had a process.
  [[noreturn]] static void outlive(pid_t maker) noexcept {
    sigset_t hangup;
    ::sigemptyset(&hangup);
    ::sigaddset(&hangup, SIGHUP);
    ::sigprocmask(SIG_BLOCK, &hangup, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGHUP);
    if (::getppid() == maker) (void)::sigwaitinfo(&hangup, nullptr);
    ::sleep(placeholder_rest);
    ::_exit(0);
  }

  sys::Cloned process_;
};

namespace {

constexpr const char* while_made = ".making";

/// The controllers that settings need. What begins with "cgroup." is in every cgroup.
std::vector<std::string> needed_controllers(const std::vector<Setting>& settings) {
  std::vector<std::string> names = cgroup::controllers_of(settings);
  std::erase(names, "cgroup");
  return names;
}

void check_controllers(const std::vector<Setting>& settings, cgroup::Layout layout, const std::string& directory) {
  const std::vector<std::string> present = cgroup::split_words(read_file(directory + "/cgroup.controllers"));
  for (const Setting& setting : settings) {
    const std::string name = setting.controller();
    if (name == "cgroup" || std::ranges::find(present, name) != present.end()) continue;
    if (layout == cgroup::Layout::unified) {
      throw Unsupported(fmt::format("{} can't be applied: the cgroup '{}' has not got the controller '{}'",
                                    setting.option, directory, name),
                        "enable it in cgroup.subtree_control of its parents");
    }
    throw Unsupported(fmt::format("{} can't be applied: this machine has the controller '{}' in cgroup v1, if at all",
                                  setting.option, name),
                      "boot with systemd.unified_cgroup_hierarchy=1");
  }
}

/// Lets children of `directory` have what it has itself: engines read the figures of cgroups whose place they have
/// chosen, and so need every controller. Above what is delegated nothing can be written, and need not be where the
/// administrator has done it: in the end the controllers of the cgroup itself tell. Only in our own cgroup there has to
/// be a need: it is emptied, since processes may be only where nothing is handed down, but for the root (cgroups(7),
/// "no internal processes").
void hand_down(const std::string& directory, const std::vector<std::string>& needed, const std::string& own) {
  std::vector<std::string> controllers = cgroup::split_words(read_file(directory + "/cgroup.controllers"));
  const bool is_root = !path_exists(directory + "/cgroup.type");
  if (directory != own || is_root) {
    (void)cgroup::offer_controllers(directory, controllers);
    return;
  }
  std::erase_if(controllers, [&](const auto& name) { return std::ranges::find(needed, name) == needed.end(); });
  if (!controllers.empty()) cgroup::enable_controllers(directory, controllers);
}

/// Calls `act` with `top` and every directory on the way to `path`, which is below it.
template <class Act>
void for_ancestors(const std::string& top, const std::string& path, const Act& act) {
  for (auto end = top.size(); end != std::string::npos; end = path.find('/', end + 1)) act(path.substr(0, end));
}

void make_parents(const CgroupPlan& plan, const std::string& top, const std::string& path) {
  const std::vector<std::string> needed = needed_controllers(plan.settings);
  for_ancestors(top, path, [&](const std::string& ancestor) {
    const auto made = sys::mkdirat(AT_FDCWD, ancestor.c_str(), 0755);
    if (!made && made.error().value != EEXIST)
      throw SysError(made.error(), fmt::format("creating cgroup '{}'", ancestor));
    hand_down(ancestor, needed, plan.own);
  });
}

/// One that an engine has prepared is taken, unless somebody else is in it.
Directory make_or_take(const std::string& path) {
  auto there = Directory::find(path);
  return there ? std::move(*there) : Directory::make(path);
}

/// What is started in a frozen cgroup, or below one, would wait for ever.
void refuse_frozen(const std::string& path) {
  const auto place = Directory::find(path);
  if (place && place->is_frozen()) throw Conflict(fmt::format("container's cgroup unexpectedly frozen: '{}'", path));
}

void refuse_taken(const std::string& path) {
  const auto there = Directory::find(path);
  refuse_frozen(there ? path : path.substr(0, path.rfind('/')));
  if (!there) return;
  if (const auto pids = there->processes(); !pids.empty()) {
    throw Conflict(fmt::format("container's cgroup is not empty: {} process(es) found in '{}'", pids.size(), path));
  }
}

/// Empty when the mount does not show it.
std::string cgroup_of_process(const cgroup::CgroupMount& mount, pid_t pid) {
  const auto path = cgroup::unified_path(read_file(fmt::format("/proc/{}/cgroup", pid)));
  return path ? cgroup::directory_of(mount, *path) : std::string();
}

/// The user's systemd owns all of the user's scopes, but not the session or service that the caller may be in; there it
/// asks that of the machine.
bool needs_systemd(const Directory& place, const Record& record) {
  if (record.scope.empty()) return false;
  const auto mount = cgroup::survey().mount;
  const std::string own = mount ? cgroup_of_process(*mount, ::getpid()) : std::string();
  return own.empty() || !place.is_open_from(own);
}

/// Root of a container can give its cgroup away to any other of its ids (cgroups(7), "Delegation": chown(2) is all that
/// it takes). They are all the user's, too, in the user's own namespace. Root is not kept out by owners.
void regain(const std::string& path) {
  const userns::SubordinateIds ids = userns::read_subordinate_ids();
  if (::geteuid() == 0 || !ids.complete()) return;
  try {
    const Places places = find_places();
    make_places(places);
    const userns::KeptNamespace kept = userns::keep_namespace(places.runtime, ids);
    userns::run_in_namespace(kept.user_ns.get(), [&] { cgroup::take_back(path, 0); });
  } catch (const Error&) {
    // It was somebody else's from the beginning; what is wanted of it says whether it can be had.
  }
}

/// What the caller names. No symbolic links are in cgroup v2, and ".." of the container's cgroup is that itself.
Directory named_below(const Directory& cgroup, const std::string& word) {
  if (word.find(':') != std::string::npos) {
    throw UsageError(fmt::format("cgroup '{}': controllers have no cgroups of their own in cgroup v2", word));
  }
  std::string path = cgroup.path() + std::filesystem::path("/" + word).lexically_normal().string();
  while (path.ends_with('/')) path.pop_back();
  auto found = Directory::find(path);
  if (!found) throw NotFound(fmt::format("cgroup '{}' does not exist in that of the container", word));
  return std::move(*found);
}

userns::CgroupEntry entry_into(const Directory& place, const Record& record) {
  if (!needs_systemd(place, record)) return {place.fd(), {}};
  const auto scope = place.path().find("/" + record.scope + "/");
  return {place.fd(), [&record, below = place.path().substr(scope + 1 + record.scope.size())](pid_t pid) {
            cgroup::attach_to_scope(record.scope_bus, record.scope, below, pid);
          }};
}

}  // namespace

CgroupMaking::CgroupMaking(const CgroupPlan& plan, Record& record, const std::function<void()>& save)
    : plan_(plan), record_(record) {
  try {
    if (plan.scope) {
      make_in_scope(record, save);
    } else if (!plan.directory.empty()) {
      check_controllers(plan.settings, plan.layout, plan.top);
      make_directory(record, save, plan.top, plan.directory);
    }
    if (cgroup_ && plan.late_entry && !nursery_) make_nursery(record.cgroup);
    if (cgroup_) load_device_program();
    if (cgroup_ && plan.owner) cgroup_->give_to(*plan.owner);
  } catch (const Error&) {
    if (plan.asked_for) throw;
    std::vector<std::string> warnings;
    remove_cgroup(record, warnings);
    cgroup_.reset();
    device_program_.reset();
    record.cgroup.clear();  // the container shares ours
    save();
  }
}

CgroupMaking::~CgroupMaking() { end_nursery(); }

void CgroupMaking::make_directory(Record& record, const std::function<void()>& save, const std::string& top,
                                  const std::string& path) {
  make_parents(plan_, top, path);
  refuse_taken(path);
  record.cgroup = path;
  save();
  cgroup_ = make_or_take(path);
  check_controllers(plan_.settings, plan_.layout, path);
  const std::string type = cgroup_->text("cgroup.type");
  if (type != "domain\n") {
    throw Unsupported(
        fmt::format("the cgroup '{}' can't hold processes, being '{}'", path, type.substr(0, type.find('\n'))));
  }
}

/// The scope itself is systemd's to configure, at any time; what is below is delegated.
void CgroupMaking::make_in_scope(Record& record, const std::function<void()>& save) {
  const ScopePlan& scope = *plan_.scope;
  placeholder_ = std::make_unique<Placeholder>();
  cgroup::start_scope({.bus = scope.bus,
                       .unit = scope.unit,
                       .slice = scope.slice,
                       .description = fmt::format("sandbox container {}", record.id),
                       .pid = placeholder_->pid()});
  const std::string directory = cgroup_of_process(*plan_.mount, placeholder_->pid());
  if (!directory.ends_with("/" + scope.unit)) {
    throw Unsupported(fmt::format("the cgroup of the scope '{}' is not visible here", scope.unit));
  }
  // Only now: before, the name may be that of a stranger's scope. One that nobody has recorded ends with us.
  record.scope = scope.unit;
  record.scope_bus = scope.bus;
  record.cgroup = directory + "/container";
  save();
  make_nursery(record.cgroup);
  nursery_->enter(placeholder_->pid()) | or_throw("entering cgroup '{}'", nursery_->path());
  make_directory(record, save, directory, record.cgroup);
}

/// A machine, or what we are in ourselves, may deny it to root, too: then it depends on what the rules are for.
void CgroupMaking::load_device_program() {
  if (plan_.device_program.empty()) return;
  auto loaded = cgroup::load_device_program(plan_.device_program);
  if (loaded) {
    device_program_ = std::move(*loaded);
  } else if (plan_.devices_required || loaded.error().value != EPERM) {
    throw SysError(loaded.error(), "linux.resources.devices: loading a BPF program",
                   "leave CAP_MKNOD out of the container's bounding set, or give it a user namespace");
  }
}

void CgroupMaking::make_nursery(const std::string& cgroup) { nursery_ = make_or_take(cgroup + while_made); }

void CgroupMaking::end_nursery() noexcept {
  placeholder_.reset();
  if (nursery_) nursery_->remove();
  nursery_.reset();
}

userns::CgroupEntry CgroupMaking::entry() const {
  if (!cgroup_) return {};
  return entry_into(plan_.late_entry ? *nursery_ : *cgroup_, record_);
}

std::function<void(pid_t)> CgroupMaking::at_namespace() {
  if (!cgroup_ || !plan_.late_entry) return {};
  return [this](pid_t pid) {
    visiting_ = !visiting_;
    const Directory& place = visiting_ ? *cgroup_ : *nursery_;
    place.enter(pid) | or_throw("moving the container's process into cgroup '{}'", place.path());
  };
}

void CgroupMaking::finish(pid_t pid) {
  if (!cgroup_) return;
  if (device_program_) cgroup::attach_device_program(cgroup_->fd(), device_program_.get());
  cgroup_->apply(plan_.settings);
  if (plan_.late_entry) cgroup_->enter(pid) | or_throw("moving the container's process into '{}'", cgroup_->path());
  end_nursery();
}

std::optional<Directory> look_at_cgroup(const Record& record) {
  return record.cgroup.empty() ? std::nullopt : Directory::find(record.cgroup);
}

std::optional<Directory> cgroup_of(const Record& record) {
  if (record.cgroup.empty()) return std::nullopt;
  const auto status = sys::fstatat(AT_FDCWD, record.cgroup.c_str(), AT_SYMLINK_NOFOLLOW);
  if (status && status->st_uid != ::geteuid()) regain(record.cgroup);
  return Directory::find(record.cgroup);
}

void remove_cgroup(const Record& record, std::vector<std::string>& warnings) {
  if (record.cgroup.empty()) return;  // then there is no scope, either
  for (const char* suffix : {while_made, ""}) {
    const auto directory = *suffix == '\0' ? cgroup_of(record) : Directory::find(record.cgroup + suffix);
    if (!directory) continue;
    directory->kill();
    directory->remove();
    if (!Directory::find(directory->path())) continue;
    regain(directory->path());
    directory->remove();
    if (Directory::find(directory->path()))
      warnings.push_back(fmt::format("the cgroup '{}' can't be removed", directory->path()));
  }
  if (record.scope.empty()) return;
  try {
    cgroup::stop_scope(record.scope_bus, record.scope);
  } catch (const Error& error) {
    warnings.emplace_back(error.what());
  }
}

void make_room_for(const std::vector<Setting>& settings, const Directory& cgroup,
                   const cgroup::Surroundings& surroundings) {
  const std::vector<std::string> needed = needed_controllers(settings);
  const std::string own = surroundings.writable ? surroundings.directory : std::string();
  if (surroundings.mount) {
    for_ancestors(surroundings.mount->point, cgroup.path(),
                  [&](const std::string& ancestor) { hand_down(ancestor, needed, own); });
  }
  check_controllers(settings, surroundings.layout, cgroup.path());
}

Entrance::Entrance(const Record& record, const std::string& below) : record_(record), cgroup_(cgroup_of(record)) {
  // Rather no process than one without the container's limits.
  if (!cgroup_ && path_exists(record.cgroup)) {
    throw Conflict(fmt::format("the cgroup '{}' has been closed from inside of the container", record.cgroup));
  }
  if (!cgroup_ && !below.empty()) {
    throw Unsupported(fmt::format("container '{}' has no cgroup of its own, so none below it", record.id));
  }
  if (!cgroup_) return;
  late_ = is_tight(cgroup_->text("memory.max"));
  if (!below.empty()) {
    cgroup_ = named_below(*cgroup_, below);
    return;
  }
  // A container that hands controllers down, as systemd in one does, has left its own cgroup for one below.
  if (cgroup::split_words(cgroup_->text("cgroup.subtree_control")).empty()) return;
  const auto mount = cgroup::survey().mount;
  const std::string place = mount ? cgroup_of_process(*mount, record.pid) : std::string();
  if (place.starts_with(record.cgroup + "/")) cgroup_ = Directory::find(place);
}

userns::CgroupEntry Entrance::entry() const {
  if (!cgroup_ || late_) return {};
  return entry_into(*cgroup_, record_);
}

void Entrance::finish(pid_t pid) const {
  if (!cgroup_ || !late_) return;
  if (const auto entry = entry_into(*cgroup_, record_); entry.carry) return entry.carry(pid);
  cgroup_->enter(pid) | or_throw("moving the process into cgroup '{}'", cgroup_->path());
}

}  // namespace sandbox::runtime
