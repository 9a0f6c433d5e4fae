// See mounts.h. Pure but for prepare_sources, which runs in the client.
#include "sandbox/engine/mounts.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
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
    throw UsageError(fmt::format("invalid mount '{}': '{}' is the kernel's, nothing can be mounted there", whole, clean));
  }
  return clean;
}

std::string volume_source(std::string_view name, const std::string& data) {
  if (!is_valid_name(name)) {
    throw UsageError(fmt::format("\"{}\" includes invalid characters for a local volume name", name),
                     "to mount a host directory, use an absolute path");
  }
  return fmt::format("{}/volumes/{}/_data", data, name);
}

std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) throw UsageError(fmt::format("bind source path does not exist: {}", path));
  return real.get();
}

void apply_volume_option(MountOp& op, std::string_view option, std::string_view whole) {
  if (option == "ro") {
    op.read_only = true;
  } else if (option != "rw" && option != "z" && option != "Z" && option != "rprivate" && option != "rbind") {
    throw UsageError(fmt::format("invalid volume specification: '{}': unknown mode '{}'", whole, option));
  }
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
  if (parts.size() > 3 || parts.size() < 2 || parts[0].empty() || parts[1].empty()) {
    throw UsageError(fmt::format("invalid volume specification: '{}'", text));
  }
  UserMount mount;
  mount.create_source = true;
  const std::string source(parts[0]);
  const bool is_path = source.find('/') != std::string::npos || source == "." || source == "..";
  mount.op.source = is_path ? absolute(source) : volume_source(source, data);
  mount.op.target = parts[1];
  if (parts.size() == 3) {
    for (const auto option : split(parts[2], ',')) apply_volume_option(mount.op, option, text);
  }
  mount.op.target = checked_target(mount.op.target, text);
  return mount;
}

UserMount parse_mount(std::string_view text, const std::string& data) {
  UserMount mount;
  std::string type = "volume", source, size, mode;
  for (const auto field : split(text, ',')) {
    const auto equals = field.find('=');
    const std::string_view key = field.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : field.substr(equals + 1);
    if (key == "type") type = value;
    else if (key == "source" || key == "src") source = value;
    else if (key == "target" || key == "dst" || key == "destination") mount.op.target = value;
    else if (key == "readonly" || key == "ro") mount.op.read_only = is_true(value);
    else if (key == "bind-nonrecursive") mount.op.recursive = !is_true(value);
    else if (key == "tmpfs-size") size = fmt::format("{}", parse_size(value));
    else if (key == "tmpfs-mode") mode = value;
    else throw UsageError(fmt::format("invalid argument \"{}\" for \"--mount\" flag: unknown option '{}'", text, key));
  }
  mount.op.target = checked_target(mount.op.target, text);
  if (type == "tmpfs") {
    mount.op.kind = MountKind::tmpfs;
    mount.op.data = "mode=" + (mode.empty() ? std::string("1777") : mode) + (size.empty() ? "" : ",size=" + size);
    return mount;
  }
  if (source.empty()) throw UsageError(fmt::format("invalid mount '{}': field source must not be empty", text));
  if (type == "bind") {
    mount.op.source = absolute(source);
  } else if (type == "volume") {
    mount.op.source = volume_source(source, data);
    mount.create_source = true;
  } else {
    throw UsageError(fmt::format("invalid mount '{}': unknown type '{}'", text, type));
  }
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

std::vector<UserMount> user_mounts(const RunRequest& request, const std::string& data) {
  std::vector<UserMount> mounts;
  for (const auto& text : request.tmpfs) mounts.push_back(parse_tmpfs(text));
  for (const auto& text : request.mounts) mounts.push_back(parse_mount(text, data));
  for (const auto& text : request.volumes) mounts.push_back(parse_volume(text, data));
  const auto depth = [](const UserMount& mount) { return std::ranges::count(mount.op.target, '/'); };
  std::ranges::stable_sort(mounts, {}, depth);
  for (std::size_t i = 0; i < mounts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (mounts[i].op.target == mounts[j].op.target) {
        throw UsageError(fmt::format("duplicate mount point: {}", mounts[i].op.target));
      }
    }
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
  } else {
    mounts.push_back(bind("/dev/mqueue", false));
    mounts.push_back(bind("/dev/shm", false));
  }
  mounts.push_back(namespaces.network ? make(MountKind::sysfs, "/sys", "", true, true) : bind("/sys", true));
  // Only the container's own part, which a cgroup namespace makes the root (CVE-2023-25809).
  if (namespaces.cgroup) mounts.push_back(make(MountKind::cgroup2, "/sys/fs/cgroup", "", true, true));
  return mounts;
}

void prepare_sources(const std::vector<UserMount>& mounts) {
  for (const auto& mount : mounts) {
    if (mount.op.kind != MountKind::bind || path_exists(mount.op.source)) continue;
    if (!mount.create_source) {
      throw UsageError(fmt::format("invalid mount config for type \"bind\": bind source path does not exist: {}",
                                   mount.op.source));
    }
    make_directories(mount.op.source);
  }
}

}  // namespace sandbox::engine
