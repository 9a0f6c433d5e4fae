// See image_mount.h.
#include "sandbox/engine/image_mount.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "fuse-overlay/overlay_server.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/id_range.h"
#include "userns/id_map.h"

namespace sandbox::engine {
namespace {

constexpr const char* kProgram = "fusermount3";

std::string mounts_of(const Places& places) { return places.runtime + "/mounts"; }

std::string directory_of(const Places& places, const std::string& image_id) {
  return fmt::format("{}/{}", mounts_of(places), hex_of(image_id));
}

enum class Mounted { no, yes, unserved };

Mounted state_of(const std::string& path) {
  const auto status = sys::statx(AT_FDCWD, path.c_str(), AT_NO_AUTOMOUNT, STATX_TYPE);
  if (!status) return status.error().value == ENOTCONN ? Mounted::unserved : Mounted::no;
  return (status->stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 ? Mounted::yes : Mounted::no;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

/// Runs fusermount3(1) with `words`, and `socket` (-1: none) as descriptor 3. Throws Error with what it says.
void run_fusermount(std::vector<std::string> words, int socket) {
  sys::Pair said = sys::pipe() | or_throw("making a pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, said.second.get(), STDERR_FILENO);
  if (socket >= 0) ::posix_spawn_file_actions_adddup2(&actions, socket, 3);
  words.insert(words.begin(), kProgram);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string channel = "_FUSE_COMMFD=3", path = "PATH=/usr/bin:/bin:/usr/local/bin";
  char* const environment[] = {path.data(), channel.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, kProgram, &actions, nullptr, argv.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    throw Unsupported(fmt::format("running '{}': {}", kProgram, Errno{error}.message()),
                      "as root: apt-get install fuse3");
  said.second.reset();
  std::string text = read_to_end(said.first.get(), "what fusermount3 says", 1U << 16);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return;
  while (text.ends_with('\n')) text.pop_back();
  throw Error(text.empty() ? fmt::format("'{}' failed", kProgram) : text);
}

/// Mounts at `path`; returns the device.
Fd mount_device(const std::string& path) {
  sys::Pair sockets = sys::socketpair(SOCK_STREAM) | or_throw("making a socket");
  run_fusermount({"-o", "ro,nosuid,nodev,default_permissions,fsname=sandbox,subtype=sandbox", "--", path},
                 sockets.second.get());
  sockets.second.reset();
  auto message = sys::receive_message(sockets.first.get(), 1) | or_throw("receiving the device from '{}'", kProgram);
  if (message.fds.size() != 1) throw Error(fmt::format("'{}' has sent no device", kProgram));
  return std::move(message.fds[0]);
}

void unmount(const std::string& path, bool lazily) {
  run_fusermount({lazily ? "-uz" : "-u", "--", path}, -1);
}

void serve(const std::vector<std::string>& layers, const Fd& device, const FoundRange& range) {
  overlay::ServerConfig config{.lower = layers};
  config.squash = {::getuid(), ::getgid()};
  config.on_host = true;
  // Root there may read all files of the layers, and has what a server that confines itself needs.
  if (range.kept) return overlay::serve_until_unmounted(config, device, range.kept->user_ns);
  overlay::serve_until_unmounted(config, device, userns::make_own_namespace());
}

}  // namespace

std::string mount_image(const Places& places, const image::Image& image) {
  const std::string directory = directory_of(places, image.id()), path = directory + "/root";
  make_directories(mounts_of(places));
  const FileLock alone(mounts_of(places) + "/.lock");
  const Mounted state = state_of(path);
  if (state == Mounted::yes) return path;
  if (state == Mounted::unserved) unmount(path, true);
  image::ImageStore store(places);
  const FoundRange range = find_id_range(places);
  const auto layers = store.ensure_unpacked(image, range.kept ? &*range.kept : nullptr);
  const auto held = store.hold_layers(layers);
  make_directories(path);
  std::string text;
  for (const std::string& layer : layers) text += layer + "\n";
  write_file_atomic(directory + "/layers", text, false);
  const Fd device = mount_device(path);
  try {
    serve(layers, device, range);
  } catch (...) {
    unmount(path, true);
    throw;
  }
  return path;
}

void unmount_image(const Places& places, const std::string& image_id) {
  const std::string directory = directory_of(places, image_id), path = directory + "/root";
  const FileLock alone(mounts_of(places) + "/.lock");
  if (state_of(path) == Mounted::no) throw NotFound(fmt::format("image {} is not mounted", image_id));
  unmount(path, false);
  remove_tree(directory);
}

std::vector<ImageMount> image_mounts(const Places& places) {
  std::vector<ImageMount> mounts;
  for (const std::string& name : list_directory(mounts_of(places))) {
    const std::string directory = fmt::format("{}/{}", mounts_of(places), name), path = directory + "/root";
    const std::string id = digest_with_hex(name);
    if (id.empty() || state_of(path) == Mounted::no) continue;
    mounts.push_back({id, path, lines_of(read_file(directory + "/layers"))});
  }
  return mounts;
}

}  // namespace sandbox::engine
