// See volume_store.h.
#include "sandbox/container/volume_store.h"

#include <errno.h>

#include <algorithm>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/events.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/json_fields.h"
#include "sandbox/base/sys.h"
#include "userns/kept_namespace.h"

namespace sandbox::container {

template <class A>
void describe(A& field, Described<Volume> auto& volume) {
  field("name", volume.name);
  field("created", volume.created);
  field("labels", volume.labels);
  field("anonymous", volume.anonymous);
}

namespace {

constexpr int kVersion = 1;
constexpr const char* kWhat = "volume description";
constexpr const char* kUnfinished = ".new-";
constexpr const char* kRemoved = ".old-";
// Beside _data, of an anonymous volume that goes when no container has it: one of these words.
constexpr const char* kFate = "/fate";
constexpr const char* kNew = "new";           // its container is not there yet
constexpr const char* kGoing = "going";       // its container is being removed with it
constexpr const char* kFilling = "/filling";  // beside _data, and in its place when it is whole

bool is_hidden(const std::string& name) { return name.starts_with('.'); }

/// What is closed to us has been given to others, with something in it.
bool is_empty(const std::string& path) {
  try {
    return list_directory(path).empty();
  } catch (const SysError& error) {
    if (error.code() != EACCES) throw;
    return false;
  }
}

/// O_PATH for who writes into it from another user namespace.
Fd open_place(const std::string& path) {
  return sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", path);
}

void sync_all_at(const std::string& path) {
  const Fd fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
  sys::syncfs(fd.get()) | or_throw("syncing '{}'", path);
}

void sync_directory(const std::string& path) {
  const Fd fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
  sys::fsync(fd.get()) | or_throw("syncing '{}'", path);
}

void make_data(const std::string& path) {
  const auto made = sys::mkdirat(AT_FDCWD, path.c_str(), 0755);
  if (!made) throw SysError(made.error(), fmt::format("making '{}'", path));
  const Fd fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
  sys::fchmod(fd.get(), 0755) | or_throw("setting the mode of '{}'", path);  // whatever the umask
}

/// One that an earlier version of this program made, without a description.
Volume undescribed(const std::string& name, const std::string& directory) {
  const auto status = sys::fstatat(AT_FDCWD, directory.c_str(), 0) | or_throw("reading '{}'", directory);
  return {.name = name, .created = status.st_mtime, .labels = {}, .anonymous = false, .directory = directory};
}

Volume load(const std::string& name, const std::string& directory) {
  const std::string path = directory + "/volume.json";
  if (!path_exists(path)) return undescribed(name, directory);
  Volume volume = volume_from_json(parse_json(read_file(path), "volume.json"));
  if (volume.name != name) throw InvalidInput("volume.json: the name is not the directory's");
  volume.directory = directory;
  return volume;
}

/// Of what processes that were killed have left. What can't be removed now must not keep anybody from going on.
void sweep(const std::string& root) {
  for (const std::string& name : list_directory(root)) {
    if (!name.starts_with(kUnfinished) && !name.starts_with(kRemoved)) continue;
    try {
      userns::remove_tree_of_all_ids(root + "/" + name);
    } catch (const Error&) {
    }
  }
}

}  // namespace

Json to_json(const Volume& volume) { return write_versioned(volume, kVersion); }

Volume volume_from_json(const Json& document) {
  Volume volume = read_versioned<Volume>(document, kWhat, kVersion);
  if (!is_valid_name(volume.name)) JsonReader(document, kWhat, "").fail("name", "is not a valid volume name");
  return volume;
}

std::string VolumeStore::data_of(const std::string& name) const { return fmt::format("{}/{}/_data", root(), name); }

Volume VolumeStore::find(const std::string& name) const {
  const std::string directory = root() + "/" + name;
  if (!is_valid_name(name) || !path_exists(directory + "/_data"))
    throw NotFound(fmt::format("get {}: no such volume", name));
  return load(name, directory);
}

std::vector<Volume> VolumeStore::list() const {
  std::vector<Volume> volumes;
  for (const std::string& name : list_directory(root())) {
    if (is_hidden(name)) continue;
    try {
      volumes.push_back(find(name));
    } catch (const NotFound&) {
      // removed while we looked
    } catch (const Error& error) {
      fmt::print(stderr, "warning: leaving out volume {}: {}\n", name, error.what());
    }
  }
  std::ranges::sort(volumes, {}, &Volume::name);
  return volumes;
}

VolumeStore::Held VolumeStore::hold() const {
  make_directories(root());
  return {*this, FileLock(root() + "/.lock")};
}

std::optional<VolumeStore::Held> VolumeStore::hold_if_free() const {
  auto lock = FileLock::if_free(root() + "/.lock");
  return lock ? std::optional(Held(*this, std::move(*lock))) : std::nullopt;
}

VolumeStore::Held::Held(const VolumeStore& store, FileLock lock) : places_(store.places_), lock_(std::move(lock)) {
  sweep(store.root());
  settle();
}

VolumeStore VolumeStore::Held::store() const { return VolumeStore(places_); }

void VolumeStore::Held::settle(const Spec& made) const { store().withdraw_end(made); }

void VolumeStore::Held::settle() const {
  const VolumeStore volumes = store();
  std::vector<std::string> open;
  for (const std::string& name : list_directory(volumes.root())) {
    if (!is_hidden(name) && path_exists(volumes.fate_of(name))) open.push_back(name);
  }
  if (open.empty()) return;
  const auto containers = ContainerStore(places_).list();
  for (const std::string& name : open) {
    try {
      if (volumes.users_of(containers, name).empty())
        remove(volumes.find(name));
      else if (read_file(volumes.fate_of(name)) == kNew)
        volumes.forget_fate(name);
    } catch (const Error&) {
      // The next holder tries again.
    }
  }
}

Volume VolumeStore::Held::ensure(const Volume& wanted, const std::function<void(int)>& fill) const {
  return make(wanted, fill, false);
}

Volume VolumeStore::Held::ensure_for_container(const Volume& wanted, const std::function<void(int)>& fill) const {
  return make(wanted, fill, wanted.anonymous);
}

Volume VolumeStore::Held::make(const Volume& wanted, const std::function<void(int)>& fill, bool is_new) const {
  const std::string root = store().root(), directory = root + "/" + wanted.name;
  if (path_exists(directory + "/_data")) return load(wanted.name, directory);
  const std::string staging = root + "/" + kUnfinished + wanted.name;
  make_directories(staging);
  make_data(staging + "/_data");
  if (fill) fill(open_place(staging + "/_data").get());
  if (is_new) write_file_atomic(staging + kFate, kNew, false);
  write_file_atomic(staging + "/volume.json", to_json(wanted).dump(), !fill);
  if (fill) sync_all_at(staging);
  sys::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, directory.c_str()) | or_throw("making volume '{}'", wanted.name);
  sync_directory(root);
  record_event(places_.data, {"volume", "create", wanted.name, {{"driver", "local"}}});
  Volume made = wanted;
  made.directory = directory;
  return made;
}

void VolumeStore::Held::fill(const Volume& volume, const std::function<void(int)>& fill) const {
  if (!is_empty(volume.data())) return;
  const auto users = store().users_of(ContainerStore(places_).list(), volume.name);
  if (std::ranges::any_of(users, [](const Container& user) { return is_up(user.state); })) return;
  const std::string filling = volume.directory + kFilling;
  userns::remove_tree_of_all_ids(filling);  // of one who was killed
  make_data(filling);
  fill(open_place(filling).get());
  sync_all_at(filling);
  // rename(2) puts it in the place of an empty directory.
  sys::renameat2(AT_FDCWD, filling.c_str(), AT_FDCWD, volume.data().c_str()) |
      or_throw("filling volume '{}'", volume.name);
  sync_directory(volume.directory);
}

void VolumeStore::Held::remove(const Volume& volume) const {
  const auto users = store().users_of(ContainerStore(places_).list(), volume.name);
  if (!users.empty()) {
    std::string ids;
    for (const Container& user : users) ids += (ids.empty() ? "" : ", ") + user.spec.id;
    throw Conflict(fmt::format("remove {}: volume is in use - [{}]", volume.name, ids));
  }
  const std::string hidden = fmt::format("{}/{}{}", store().root(), kRemoved, volume.name);
  sys::renameat2(AT_FDCWD, volume.directory.c_str(), AT_FDCWD, hidden.c_str()) |
      or_throw("removing volume '{}'", volume.name);
  sync_directory(store().root());
  userns::remove_tree_of_all_ids(hidden);
  record_event(places_.data, {"volume", "destroy", volume.name, {{"driver", "local"}}});
}

std::string VolumeStore::fate_of(const std::string& name) const { return root() + "/" + name + kFate; }

void VolumeStore::forget_fate(const std::string& name) const {
  (void)sys::unlinkat(AT_FDCWD, fate_of(name).c_str(), 0);
}

void VolumeStore::announce_end(const Spec& going) const {
  for (const std::string& name : volumes_of(going)) {
    try {
      if (find(name).anonymous) write_file_atomic(fate_of(name), kGoing, false);
    } catch (const Error&) {
      // Gone already, or no room for that: then it is only removed at once, or not at all.
    }
  }
}

void VolumeStore::withdraw_end(const Spec& staying) const {
  for (const std::string& name : volumes_of(staying)) forget_fate(name);
}

void VolumeStore::remove_unused_anonymous(const std::vector<std::string>& names) const {
  if (!names.empty()) remove_unused_anonymous(hold(), names);
}

void VolumeStore::remove_unused_anonymous(const Held& held, const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    try {
      const Volume volume = find(name);
      if (volume.anonymous) held.remove(volume);
    } catch (const NotFound&) {
      // somebody else was quicker
    } catch (const Conflict&) {
      forget_fate(name);  // another container has it, too
    }
  }
}

std::string VolumeStore::volume_of(const userns::MountOp& mount) const {
  const std::string prefix = root() + "/";
  for (const std::string& path :
       {mount.source, mount.below, mount.lower.empty() ? std::string() : mount.lower.front()}) {
    if (path.starts_with(prefix)) return path.substr(prefix.size(), path.find('/', prefix.size()) - prefix.size());
  }
  return {};
}

std::vector<std::string> VolumeStore::volumes_of(const Spec& spec) const {
  std::vector<std::string> names;
  for (const userns::MountOp& mount : spec.plan.mounts) {
    const std::string name = volume_of(mount);
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

std::vector<Container> VolumeStore::users_of(const std::vector<Container>& containers,
                                             const std::string& volume) const {
  std::vector<Container> users;
  std::ranges::copy_if(containers, std::back_inserter(users), [&](const Container& container) {
    const auto names = volumes_of(container.spec);
    return std::ranges::find(names, volume) != names.end();
  });
  return users;
}

}  // namespace sandbox::container
