// See mounts.h. Pure, but for relative paths of the host and what it has at /dev/mqueue.
#include "sandbox/engine/mounts.h"

#include <stdlib.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/container/shared_namespaces.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

using userns::MountKind;
using userns::MountOp;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// The target without "..", "." and repeated slashes, as Docker cleans it, so that equal places have equal names.
std::string checked_target(const std::string& target, std::string_view whole) {
  if (!target.starts_with('/')) {
    throw UsageError(fmt::format("invalid mount '{}': mount path must be absolute", whole));
  }
  std::string clean = std::filesystem::path("/" + target).lexically_normal();
  if (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  if (clean == "/") throw UsageError(fmt::format("invalid mount '{}': destination can't be '/'", whole));
  if (clean == "/proc" || clean.starts_with("/proc/")) {
    throw UsageError(
        fmt::format("invalid mount '{}': '{}' is the kernel's, nothing can be mounted there", whole, clean));
  }
  return clean;
}

void mount_volume(UserMount& mount, std::string_view name, const std::string& data) {
  if (!is_valid_name(name)) {
    throw UsageError(fmt::format("\"{}\" includes invalid characters for a local volume name", name),
                     "to mount a host directory, use an absolute path");
  }
  mount.volume = name;
  mount.op.source = fmt::format("{}/volumes/{}/_data", data, name);
}

/// As Docker's client: what a path that begins with "." leads to need not be there yet (-v makes it).
std::string absolute_if_missing(const std::string& path) {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  std::string whole;
  if (!error) whole = std::filesystem::weakly_canonical(here / path, error);
  if (error) throw SysError(Errno{error.value()}, fmt::format("bind source path '{}'", path));
  if (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  return whole;
}

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) throw UsageError(fmt::format("bind source path does not exist: {}", path));
  return real.get();
}

/// None for a word that is no propagation.
std::optional<std::uint64_t> propagation_of(std::string_view word, std::string_view whole) {
  if (word == "slave" || word == "rslave") return MS_SLAVE;
  if (word == "private" || word == "rprivate") return 0;
  if (word != "shared" && word != "rshared") return {};
  throw Unsupported(fmt::format("invalid mount '{}': '{}' is not possible without root, because the container's mounts "
                                "can't reach the host's", whole, word),
                    "rslave lets the host's mounts reach the container");
}

bool set_propagation(MountOp& op, std::string_view word, std::string_view whole) {
  const auto propagation = propagation_of(word, whole);
  if (!propagation) return false;
  op.propagation = *propagation;
  op.propagation_of_tree = word.starts_with('r') && *propagation != 0;
  return true;
}

void apply_volume_option(UserMount& mount, std::string_view option, std::string_view whole) {
  // SELinux labels, and the caching of Docker Desktop, mean nothing here.
  constexpr std::string_view ignored[] = {"rw",   "copy",       "z",      "Z",        "rbind",
                                          "exec", "consistent", "cached", "delegated"};
  MountOp& op = mount.op;
  if (option == "ro") op.read_only = true;
  else if (option == "nocopy") mount.copies = false;
  else if (option == "U") mount.gives_owner = true;
  else if (option == "O") mount.is_scratch = true;
  else if (option == "bind") op.recursive = false;
  else if (option == "noexec") op.no_exec = true;
  else if (option == "suid" || option == "nosuid") op.no_suid = option == "nosuid";
  else if (option == "dev" || option == "nodev") op.no_dev = option == "nodev";
  else if (!set_propagation(op, option, whole) && std::ranges::find(ignored, option) == std::end(ignored))
    throw UsageError(fmt::format("invalid volume specification: '{}': unknown mode '{}'", whole, option));
}

/// Files of an image belong to every container; of what only a part or nothing is to be written, nothing is given away.
void check_giving(const UserMount& mount, std::string_view whole) {
  if (!mount.gives_owner || (!mount.is_scratch && mount.image.empty() && mount.op.below.empty())) return;
  throw UsageError(fmt::format("invalid mount '{}': only whole volumes and directories can change their owner", whole));
}

bool is_true(std::string_view value) { return value.empty() || value == "true" || value == "1"; }

MountOp make(MountKind kind, const char* target, const char* data, bool read_only, bool no_exec) {
  MountOp op;
  op.kind = kind;
  op.target = target;
  op.data = data;
  op.read_only = read_only;
  op.no_exec = no_exec;
  return op;
}

MountOp bind(const char* path, bool read_only) {
  MountOp op = make(MountKind::bind, path, "", read_only, false);
  op.source = path;
  return op;
}

}  // namespace

UserMount parse_volume(std::string_view text, const std::string& data) {
  const auto parts = split(text, ':');
  if (parts.size() > 3 || std::ranges::any_of(parts, &std::string_view::empty)) {
    throw UsageError(fmt::format("invalid volume specification: '{}'", text));
  }
  UserMount mount;
  if (parts.size() == 1) {
    mount.anonymous = true;
    mount.op.target = checked_target(std::string(parts[0]), text);
    return mount;
  }
  const std::string source(parts[0]);
  const bool is_relative = source.starts_with('.');
  if (is_relative || source.find('/') != std::string::npos) {
    mount.op.source = is_relative ? absolute_if_missing(source) : absolute(source);
    mount.create_source = true;
  } else {
    mount_volume(mount, source, data);
  }
  if (parts.size() == 3) {
    for (const auto option : split(parts[2], ',')) apply_volume_option(mount, option, text);
  }
  check_giving(mount, text);
  mount.op.target = checked_target(std::string(parts[1]), text);
  return mount;
}

namespace {

/// The words of a --mount before it is known what they are of.
struct MountWords {
  std::string_view whole;
  std::string type = "volume", source, size, mode, subpath;
  bool writable = false;
};

/// False for an unknown key.
bool apply_mount_word(UserMount& mount, MountWords& words, std::string_view key, std::string_view value) {
  MountOp& op = mount.op;
  if (key == "type") words.type = value;
  else if (key == "source" || key == "src") words.source = value;
  else if (key == "target" || key == "dst" || key == "destination") op.target = value;
  else if (key == "readonly" || key == "ro") op.read_only = is_true(value);
  else if (key == "bind-nonrecursive") op.recursive = !is_true(value);
  else if (key == "bind-recursive") op.recursive = value != "disabled";
  else if (key == "volume-nocopy") mount.copies = !is_true(value);
  else if (key == "subpath" || key == "volume-subpath" || key == "image-subpath") words.subpath = value;
  else if (key == "rw" || key == "readwrite") words.writable = is_true(value);
  else if (key == "tmpfs-size") words.size = fmt::format("{}", parse_size(value));
  else if (key == "tmpfs-mode") words.mode = value;
  else if (key == "U" || key == "chown") mount.gives_owner = is_true(value);
  else if (key == "bind-propagation") return set_propagation(op, value, words.whole);
  else if (key == "volume-label") mount.labels.emplace_back(value);
  else return key == "consistency" || key == "relabel" || (key == "volume-driver" && value == "local");
  return true;
}

/// Part of a volume or of an image: links in there lead nowhere else.
void mount_part(UserMount& mount, const std::string& subpath) {
  MountOp& op = mount.op;
  if (op.kind == MountKind::bind) {
    op.below = op.source;
    op.follows = true;
    mount.copies = false;
  }
  op.source = subpath;
}

void finish_mount(UserMount& mount, const MountWords& words, const std::string& data) {
  MountOp& op = mount.op;
  const auto refuse = [&](std::string_view reason) {
    throw UsageError(fmt::format("invalid mount '{}': {}", words.whole, reason));
  };
  const bool has_parts = (words.type == "volume" && !words.source.empty()) || words.type == "image";
  if (!words.subpath.empty() && !has_parts) refuse("only a volume with a name or an image has a subpath");
  if (words.subpath.starts_with('/') || ("/" + words.subpath + "/").find("/../") != std::string::npos)
    refuse("subpath must be a relative path within the volume");
  if (words.type == "tmpfs") {
    if (!words.source.empty()) refuse("a tmpfs has no source");
    op.kind = MountKind::tmpfs;
    op.data = "mode=" + (words.mode.empty() ? std::string("1777") : words.mode) +
              (words.size.empty() ? "" : ",size=" + words.size);
  } else if (words.type == "bind") {
    if (words.source.empty()) refuse("field source must not be empty");
    op.source = absolute(words.source);
  } else if (words.type == "volume") {
    if (words.source.empty()) mount.anonymous = true;
    else mount_volume(mount, words.source, data);
  } else if (words.type == "image") {
    if (words.source.empty()) refuse("field source must not be empty");
    mount.image = words.source;
    op.kind = MountKind::merge;
    op.read_only = !words.writable;
    mount.is_scratch = words.writable;
  } else {
    refuse(fmt::format("unknown type '{}'", words.type));
  }
  if (!words.subpath.empty()) mount_part(mount, words.subpath);
  check_giving(mount, words.whole);
}

}  // namespace

UserMount parse_mount(std::string_view text, const std::string& data) {
  UserMount mount;
  MountWords words;
  words.whole = text;
  for (const auto field : split(text, ',')) {
    const auto equals = field.find('=');
    const std::string_view key = field.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : field.substr(equals + 1);
    if (!apply_mount_word(mount, words, key, value)) {
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--mount\" flag: unknown option '{}'", text, key));
    }
  }
  mount.op.target = checked_target(mount.op.target, text);
  finish_mount(mount, words, data);
  return mount;
}

UserMount parse_tmpfs(std::string_view text) {
  UserMount mount;
  mount.op.kind = MountKind::tmpfs;
  mount.op.no_exec = true;
  const auto colon = text.find(':');
  mount.op.target = text.substr(0, colon);
  mount.op.target = checked_target(mount.op.target, text);
  if (colon == std::string_view::npos) return mount;
  for (const auto option : split(text.substr(colon + 1), ',')) {
    if (option == "ro") mount.op.read_only = true;
    else if (option == "rw") mount.op.read_only = false;
    else if (option == "exec") mount.op.no_exec = false;
    else if (option == "noexec") mount.op.no_exec = true;
    else if (option == "suid") mount.op.no_suid = false;
    else if (option == "nosuid") mount.op.no_suid = true;
    else if (option == "dev") mount.op.no_dev = false;
    else if (option == "nodev") mount.op.no_dev = true;
    else mount.op.data += (mount.op.data.empty() ? "" : ",") + std::string(option);
  }
  return mount;
}

UserMount bind_mount(const std::string& source, const std::string& target, const std::vector<std::string>& options) {
  const std::string whole = source + ":" + target;
  UserMount mount;
  mount.op.source = source;
  mount.op.target = checked_target(target, whole);
  for (const std::string& option : options) apply_volume_option(mount, option, whole);
  return mount;
}

namespace {

/// A name for an anonymous volume: the same for the same container and target, and nobody's guess.
std::string anonymous_name(const std::string& id, const std::string& target) {
  return sha256_digest(id + ":" + target).substr(7);
}

bool has_target(const std::vector<UserMount>& mounts, const std::string& target) {
  return std::ranges::any_of(mounts, [&](const UserMount& mount) { return mount.op.target == target; });
}

std::vector<UserMount> asked_for(const RunRequest& request, const std::string& data) {
  std::vector<UserMount> mounts;
  const auto add = [&](UserMount mount) {
    if (has_target(mounts, mount.op.target)) {
      throw UsageError(fmt::format("duplicate mount point: {}", mount.op.target));
    }
    mounts.push_back(std::move(mount));
  };
  for (const auto& text : request.tmpfs) add(parse_tmpfs(text));
  for (const auto& text : request.mounts) add(parse_mount(text, data));
  for (const auto& text : request.volumes) add(parse_volume(text, data));
  return mounts;
}

/// What of a mount depends on where the container is: layers of images, and where changes go.
void place(std::vector<UserMount>& mounts, const MountSources& sources) {
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    UserMount& mount = mounts[i];
    MountOp& op = mount.op;
    if (const auto layers = sources.layers.find(mount.image); layers != sources.layers.end()) op.lower = layers->second;
    if (!mount.is_scratch) continue;
    if (op.kind == MountKind::bind) {
      op.kind = MountKind::merge;
      op.lower = {std::exchange(op.source, {})};
    }
    const std::string directory = fmt::format("{}/containers/{}/scratch/{}", sources.data, sources.id, i);
    op.upper = directory + "/upper";
    op.work = directory + "/work";
  }
}

}  // namespace

std::vector<std::string> mounted_images(const RunRequest& request) {
  std::vector<std::string> images;
  for (const std::string& text : request.mounts) {
    const UserMount mount = parse_mount(text, "");
    if (!mount.image.empty() && std::ranges::find(images, mount.image) == images.end()) images.push_back(mount.image);
  }
  return images;
}

std::vector<UserMount> user_mounts(const RunRequest& request, const MountSources& sources) {
  std::vector<UserMount> mounts = asked_for(request, sources.data);
  for (const UserMount& mount : sources.inherited) {
    if (!has_target(mounts, mount.op.target)) mounts.push_back(mount);
  }
  for (const std::string& target : sources.image_volumes) {
    UserMount mount;
    mount.anonymous = true;
    mount.op.target = checked_target(target, "VOLUME " + target);
    if (!has_target(mounts, mount.op.target)) mounts.push_back(mount);
  }
  for (UserMount& mount : mounts) {
    if (mount.anonymous) mount_volume(mount, anonymous_name(sources.id, mount.op.target), sources.data);
  }
  const auto depth = [](const UserMount& mount) { return std::ranges::count(mount.op.target, '/'); };
  std::ranges::stable_sort(mounts, {}, depth);
  place(mounts, sources);
  return mounts;
}

std::string container_of(std::string_view words) { return std::string(words.substr(0, words.find(':'))); }

std::vector<UserMount> inherited_mounts(const container::Container& other, std::string_view words,
                                        const container::VolumeStore& volumes) {
  const auto colon = words.find(':');
  const std::string_view mode = colon == std::string_view::npos ? std::string_view("rw") : words.substr(colon + 1);
  if (mode != "ro" && mode != "rw" && mode != "z") {
    throw UsageError(fmt::format("invalid mode specification for volumes-from: {}", mode));
  }
  std::vector<UserMount> mounts;
  for (const MountOp& op : other.spec.plan.mounts) {
    constexpr std::string_view defaults[] = {"/proc", "/sys", "/dev/mqueue", "/dev/shm"};
    const std::string volume = volumes.volume_of(op);
    // Generated files, of those, too, with whom it shares a network.
    const bool own = op.source.starts_with(other.directory.substr(0, other.directory.rfind('/') + 1));
    const bool is_default = std::ranges::find(defaults, op.target) != std::end(defaults);
    if (op.kind != MountKind::bind && op.kind != MountKind::merge) continue;
    if (volume.empty() && (own || is_default)) continue;
    UserMount mount;
    mount.op = op;
    mount.is_scratch = !op.upper.empty();
    mount.copies = op.below.empty();
    mount.op.read_only = op.read_only || mode == "ro";
    mount.volume = volume;
    mount.create_source = true;
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::vector<MountOp> default_mounts(const userns::NamespacePlan& namespaces, std::uint64_t shm_size) {
  std::vector<MountOp> mounts;
  // A new proc, mqueue or sysfs needs a namespace of our own (user_namespaces(7)); otherwise the host's is bound.
  mounts.push_back(namespaces.pid ? make(MountKind::proc, "/proc", "", false, true) : bind("/proc", false));
  mounts.push_back(make(MountKind::tmpfs, "/dev", "size=65536k,mode=755", false, false));
  mounts.push_back(make(MountKind::devpts, "/dev/pts", "ptmxmode=0666,mode=0620", false, true));
  if (namespaces.ipc) {
    mounts.push_back(make(MountKind::mqueue, "/dev/mqueue", "", false, true));
    mounts.push_back(
        make(MountKind::tmpfs, "/dev/shm", fmt::format("mode=1777,size={}", shm_size).c_str(), false, true));
    mounts.back().source = container::shared_memory_name;
  } else {
    if (path_exists("/dev/mqueue")) mounts.push_back(bind("/dev/mqueue", false));  // not every machine mounts one
    mounts.push_back(bind("/dev/shm", false));
  }
  mounts.push_back(namespaces.network ? make(MountKind::sysfs, "/sys", "", true, true) : bind("/sys", true));
  // Only the container's own part, which a cgroup namespace makes the root (CVE-2023-25809).
  if (namespaces.cgroup) mounts.push_back(make(MountKind::cgroup2, "/sys/fs/cgroup", "", true, true));
  return mounts;
}

}  // namespace sandbox::engine
