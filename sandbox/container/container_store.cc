// Containers on disk. A container appears by the rename of a finished directory and goes by a
// rename out of sight, so readers, which take no lock, see it whole or not at all.
#include "sandbox/container/container_store.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/container_events.h"
#include "sandbox/container/loading.h"
#include "sandbox/container/spec_head.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/container/supervisor_lock.h"
#include "sandbox/container/volume_store.h"
#include "userns/kept_namespace.h"

namespace sandbox::container {
namespace {

constexpr const char* unfinished_prefix = ".new-";
constexpr const char* removed_prefix = ".old-";

/// What removing at leisure may leave on the disk for a moment, or longer where a batch system ends what its job has
/// left running.
struct Allowance {
  int entries = 64;
  off_t bytes = 1 << 20;
};

/// Whether what is below `directory` stays within the allowance, which it uses up.
bool fits(const std::string& directory, Allowance& allowance) {
  return std::ranges::all_of(list_directory(directory), [&](const std::string& name) {
    const std::string path = directory + "/" + name;
    const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
    if (!status || --allowance.entries < 0 || (allowance.bytes -= status->st_size) < 0) return false;
    return !S_ISDIR(status->st_mode) || fits(path, allowance);
  });
}

/// Of a container's directory. Its files and directories of ours are few and small, but for the log.
bool is_little(const std::string& directory, const Spec& spec) {
  const bool has_scratch =
      std::ranges::any_of(spec.plan.mounts, [](const userns::MountOp& mount) { return !mount.upper.empty(); });
  Allowance allowance;
  if (const auto log = sys::fstatat(AT_FDCWD, (directory + "/log").c_str(), AT_SYMLINK_NOFOLLOW)) {
    allowance.bytes -= log->st_size;
  }
  try {
    return allowance.bytes >= 0 && fits(directory + "/upper", allowance) &&
           (!has_scratch || fits(directory + "/scratch", allowance));
  } catch (const SysError&) {
    return false;  // a directory that the container has closed to us
  }
}

bool has_lost_owner(const SpecHead& spec) {
  return spec.owner.pid != 0 && process_start_time(spec.owner.pid) != spec.owner.start;
}

/// Of --rm or another process's, and nobody is there who would remove it.
bool is_abandoned(const Entry& entry) {
  if (entry.spec.owner.pid != 0) return has_lost_owner(entry.spec);
  const bool waits_for_start = entry.state.status == Status::created && entry.state.supervisor_start == 0;
  return entry.spec.auto_remove && !waits_for_start && !is_answered_for(entry.state);
}

[[noreturn]] void refuse_name(const SpecHead& owner) {
  throw Conflict(
      fmt::format("the container name '{}' is already in use by container {}", owner.name, owner.id.substr(0, 12)),
      fmt::format("remove it with 'sandbox rm {}' or choose another name", owner.name));
}

/// Throws NotFound where it has been removed since it was found.
Container load_found(const Description& found, const std::string& reference) {
  try {
    return load(found);
  } catch (const SysError& error) {
    if (error.code() != ENOENT || path_exists(found.directory)) throw;
    throw NotFound(fmt::format("No such container: {}", reference));
  }
}

void write_container(const std::string& directory, const Spec& spec, const State& state) {
  for (const char* part : {"", "/upper", "/work"}) make_directories(directory + part);
  // The upper directory's mode is that of the container's root directory: any user in there may pass.
  const std::string upper = directory + "/upper";
  const Fd root = sys::openat(AT_FDCWD, upper.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", upper);
  sys::fchmod(root.get(), 0755) | or_throw("setting the mode of '{}'", upper);
  const auto& filter = spec.plan.process.seccomp;
  if (!filter.empty()) {
    // The bytes of a filter are opaque here; string_view is only the file interface's type.
    const std::string_view bytes(static_cast<const char*>(static_cast<const void*>(filter.data())), filter.size());
    write_file_atomic(directory + "/seccomp.bpf", bytes, false);
  }
  write_file_atomic(directory + "/state.json", to_json(state).dump(), false);
  write_file_atomic(directory + "/container.json", spec_text(spec), false);
}

/// Half-made or half-removed containers. The latter are out of sight: several may be at it, without a lock.
void remove_leftovers(const std::string& root, std::string_view prefix) {
  for (const auto& name : list_directory(root)) {
    if (!name.starts_with(prefix)) continue;
    try {
      userns::remove_tree_of_all_ids(root + "/" + name);
    } catch (const Error&) {
      // What cannot be removed now must not keep new containers from being made.
    }
  }
}

/// Anonymous volumes of containers that are gone.
void remove_volumes(const VolumeStore& volumes, const VolumeStore::Held& held, const std::vector<Spec>& gone) {
  for (const Spec& spec : gone) volumes.remove_unused_anonymous(held, volumes.volumes_of(spec));
}

void sync_path(const std::string& path) {
  const Fd fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  sys::fsync(fd.get()) | or_throw("syncing '{}'", path);
}

}  // namespace

ContainerStore::ContainerStore(const Places& places) : places_(places) {}

std::string ContainerStore::directory_of(const std::string& id) const { return root() + "/" + id; }

Container ContainerStore::create(Spec spec, bool starts_at_once,
                                 const std::function<void(const std::string&)>& complete) {
  if (spec.id.empty()) spec.id = random_container_id();
  if (spec.name.empty()) spec.name = spec.id.substr(0, 12);
  spec.filtered = !spec.plan.process.seccomp.empty();
  fill_head(spec, directory_of(spec.id));
  spec_from_json(to_json(spec));  // what could not be read back is refused now
  make_directories(root());
  std::optional<FileLock> lock(root() + "/.lock");
  std::vector<Spec> gone;  // with volumes that stay: our caller has their lock
  for (const auto& other : sweep_locked(&gone)) {
    if (other.spec.name == spec.name || other.spec.id == spec.id) refuse_name(other.spec);
  }
  const std::string temporary = root() + "/" + unfinished_prefix + spec.id;
  const std::string directory = directory_of(spec.id);
  State state;
  if (starts_at_once) answer_for(state);
  try {
    write_container(temporary, spec, state);
    if (complete) complete(temporary);
    sys::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, directory.c_str()) |
        or_throw("creating container directory '{}'", directory);
  } catch (...) {
    userns::remove_tree_of_all_ids(temporary);
    throw;
  }
  lock.reset();
  remove_leftovers(root(), removed_prefix);
  record_container_event(places_, spec, "create");
  return {std::move(spec), state, directory};
}

Container ContainerStore::find(const std::string& reference) const {
  if (is_hex(reference, 64) && path_exists(directory_of(reference) + "/container.json")) {
    try {
      return load(directory_of(reference));
    } catch (const SysError& error) {
      if (error.code() != ENOENT) throw;  // else: removed while we looked
    }
  }
  std::vector<Description> matches;
  for (Description& one : load_descriptions(root())) {
    if (one.spec.name == reference) return load_found(one, reference);
    if (!reference.empty() && one.spec.id.starts_with(reference)) matches.push_back(std::move(one));
  }
  if (matches.empty()) throw NotFound(fmt::format("No such container: {}", reference));
  if (matches.size() > 1) throw Conflict(fmt::format("'{}' names more than one container", reference));
  return load_found(matches.front(), reference);
}

void ContainerStore::make_durable(const Container& container) const {
  try {
    for (const std::string& file : list_directory(container.directory)) {
      const std::string path = container.directory + "/" + file;
      if (const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW);
          status && S_ISREG(status->st_mode)) {
        sync_path(path);
      }
    }
    sync_path(container.directory);
  } catch (const SysError& error) {
    if (error.code() != ENOENT) throw;  // else: removed meanwhile
  }
  sync_path(root());
}

std::optional<Container> ContainerStore::read(const std::string& id) const {
  try {
    return load(directory_of(id));
  } catch (const LostContainer&) {
    return {};
  }
}

std::vector<Container> ContainerStore::list() const {
  std::vector<std::string> lost;
  return load_containers(root(), lost);
}

std::vector<Entry> ContainerStore::entries() const {
  std::vector<std::string> lost;
  return load_entries(root(), lost);
}

void ContainerStore::write_state(const Container& container, const State& state) const {
  // Not durable: after a reboot no supervisor of it is alive, whatever the file says.
  write_file_atomic(container.directory + "/state.json",
                    to_json(state).dump(-1, ' ', false, Json::error_handler_t::replace), false);
}

void record_stop(const ContainerStore& store, const Container& container) {
  try {
    const SupervisorLock idle(container, supervisor_ending_time);
    State state = load_state(container.directory);
    state.stop_asked = true;
    store.write_state(container, state);
  } catch (const Conflict&) {
    // Somebody has started it again meanwhile.
  } catch (const SysError& error) {
    if (error.code() != ENOENT) throw;  // else: removed meanwhile
  }
}

void ContainerStore::rename(const Container& container, const std::string& name) const {
  const Spec renamed = change(container, [&](Spec& spec) {
    for (const Description& other : load_descriptions(root())) {
      if (other.spec.name == name) refuse_name(other.spec);
    }
    spec.name = name;
  });
  record_container_event(places_, renamed, "rename", {{"oldName", container.spec.name}});
}

Spec ContainerStore::change(const Container& container, const std::function<void(Spec&)>& apply) const {
  const FileLock lock(root() + "/.lock");
  const std::string path = container.directory + "/container.json";
  if (!path_exists(path)) throw NotFound(fmt::format("No such container: {}", container.spec.name));
  Spec changed = load_spec(container.directory);
  apply(changed);
  fill_head(changed, container.directory);
  write_file_atomic(path, spec_text(changed));
  return changed;
}

/// Out of sight, under the store's lock.
void ContainerStore::hide(const Container& container, std::chrono::milliseconds patience) const {
  const SupervisorLock idle(container, patience);
  try {
    end_orphan(recorded_state(container.directory));
  } catch (const Error&) {
    // A record that is damaged or missing names nobody.
  }
  (void)sys::unlinkat(AT_FDCWD, control_socket_path(places_, container.spec.id).c_str(), 0);
  const std::string hidden = root() + "/" + removed_prefix + container.spec.id;
  sys::renameat2(AT_FDCWD, container.directory.c_str(), AT_FDCWD, hidden.c_str()) |
      or_throw("removing container {}", container.spec.name);
  record_container_event(places_, container.spec, "destroy");
}

void ContainerStore::remove(const Container& container) const {
  {
    const FileLock lock(root() + "/.lock");
    if (!path_exists(container.directory)) throw NotFound(fmt::format("No such container: {}", container.spec.name));
    if (is_up(load_state(container.directory))) {
      throw Conflict(fmt::format("container {} is running", container.spec.name), "stop it first, or use 'rm --force'");
    }
    hide(container, supervisor_ending_time);
  }
  purge(container);
}

/// Ids that begin with `reference`.
std::vector<std::string> ContainerStore::unreadable(const std::string& reference) const {
  std::vector<std::string> ids;
  for (const auto& name : list_directory(root())) {
    if (!is_hex(name, 64) || reference.empty() || !name.starts_with(reference)) continue;
    try {
      (void)load(directory_of(name));
    } catch (const InvalidInput&) {
      ids.push_back(name);
    } catch (const SysError& error) {
      if (path_exists(directory_of(name)) && error.code() == ENOENT) ids.push_back(name);  // without a description
    }
  }
  return ids;
}

bool ContainerStore::remove_unreadable(const std::string& reference) const {
  Container container;
  {
    const FileLock lock(root() + "/.lock");
    const std::vector<std::string> ids = unreadable(reference);
    if (ids.empty()) return false;
    if (ids.size() > 1) throw Conflict(fmt::format("'{}' names more than one container", reference));
    container.spec.id = ids.front();
    container.spec.name = ids.front().substr(0, 12);
    container.directory = directory_of(ids.front());
    hide(container, supervisor_ending_time);
  }
  purge(container);
  return true;
}

bool ContainerStore::retire(const Container& container) const {
  const FileLock lock(root() + "/.lock");
  hide(container, supervisor_ending_time);
  return is_little(root() + "/" + removed_prefix + container.spec.id, container.spec);
}

void ContainerStore::purge(const Container& container) const {
  userns::remove_tree_of_all_ids(root() + "/" + removed_prefix + container.spec.id);
}

/// Under the store's lock. `gone` gets what nobody answered for; without it that stays.
std::vector<Entry> ContainerStore::sweep_locked(std::vector<Spec>* gone) const {
  std::vector<std::string> lost;
  std::vector<Entry> found = load_entries(root(), lost), kept;
  for (const auto& name : lost) {
    (void)sys::renameat2(AT_FDCWD, directory_of(name).c_str(), AT_FDCWD,
                         (root() + "/" + removed_prefix + name).c_str());
  }
  for (Entry& entry : found) {
    if (gone == nullptr || !is_abandoned(entry)) {
      kept.push_back(std::move(entry));
      continue;
    }
    try {
      Container container = load(entry.directory);
      const bool killed = has_lost_owner(container.spec);
      if (killed) kill_supervisor(container);
      VolumeStore(places_).announce_end(container.spec);
      hide(container, killed ? supervisor_ending_time : std::chrono::milliseconds{});
      gone->push_back(std::move(container.spec));
    } catch (const Error&) {
      kept.push_back(std::move(entry));  // its supervisor has just been started, and will see to it
    }
  }
  remove_leftovers(root(), unfinished_prefix);  // who makes one has this lock
  return kept;
}

void ContainerStore::sweep() const {
  if (!path_exists(root())) return;
  const VolumeStore volumes(places_);
  const auto held = volumes.has_any() ? volumes.hold_if_free() : std::nullopt;
  std::vector<Spec> gone;
  {
    const FileLock lock(root() + "/.lock");
    (void)sweep_locked(held || !volumes.has_any() ? &gone : nullptr);
  }
  remove_leftovers(root(), removed_prefix);
  if (held) remove_volumes(volumes, *held, gone);
}

std::vector<Entry> ContainerStore::entries_swept() const {
  std::vector<Entry> found = entries();
  if (std::ranges::none_of(found, is_abandoned)) return found;
  const VolumeStore volumes(places_);
  const auto held = volumes.has_any() ? volumes.hold_if_free() : std::nullopt;
  if (!held && volumes.has_any()) return found;
  auto lock = FileLock::if_free(root() + "/.lock");
  if (!lock) return found;
  std::vector<Spec> gone;
  std::vector<Entry> kept = sweep_locked(&gone);
  lock.reset();
  remove_leftovers(root(), removed_prefix);
  if (held) remove_volumes(volumes, *held, gone);
  return kept;
}

std::vector<PublishedPort> published_ports(const SpecHead& spec, const State& state) {
  std::vector<PublishedPort> ports = spec.ports;
  const auto& bound = state.host_ports;
  for (std::size_t i = 0; i < ports.size() && i < bound.size(); ++i) ports[i].host_port = bound[i];
  return ports;
}

std::string cgroup_path(const Container& container) {
  const std::string record = cgroup_record(container.directory);
  return path_exists(record) ? read_file(record) : std::string();
}

void record_cgroup(const Container& container, const std::string& path) {
  const std::string record = cgroup_record(container.directory);
  if (!path.empty()) return write_file_atomic(record, path, false);  // no cgroup survives a reboot either
  if (const auto removed = sys::unlinkat(AT_FDCWD, record.c_str(), 0); !removed && removed.error().value != ENOENT) {
    throw SysError(removed.error(), fmt::format("removing '{}'", record));
  }
}

std::vector<std::byte> read_seccomp(const Container& container) {
  const std::string path = container.directory + "/seccomp.bpf";
  if (!container.spec.filtered) return {};
  std::string content;
  try {
    content = read_file(path);
  } catch (const SysError& error) {
    if (error.code() != ENOENT || path_exists(container.directory)) throw;
    throw NotFound(fmt::format("No such container: {}", container.spec.name));
  }
  if (content.empty() || content.size() % 8 != 0) throw InvalidInput(fmt::format("'{}' is not a filter", path));
  std::vector<std::byte> bytes;
  for (const char c : content) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

}  // namespace sandbox::container
