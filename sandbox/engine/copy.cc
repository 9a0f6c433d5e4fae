// See copy.h. Either side works in the process that may: the container's in a child that is root of its user namespace
// (container_root.h), this machine's in the client as the user. An archive goes from the one to the other.
#include "sandbox/engine/copy.h"

#include <linux/magic.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "fuse-overlay/store/archive_library.h"
#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/container/helpers.h"
#include "sandbox/engine/container_archive.h"
#include "sandbox/engine/container_root.h"
#include "sandbox/engine/tree_reading.h"
#include "sandbox/engine/tree_writing.h"
#include "sandbox/ownership/owners.h"

namespace sandbox::engine {
namespace {

using Warn = std::function<void(const std::string&)>;
using GiveOwner = std::function<void(int, std::uint32_t, std::uint32_t, const std::string&)>;

constexpr const char* kRoot = "r";  // the source's name while it is on its way

bool is_directory(const struct stat& status) { return S_ISDIR(status.st_mode); }

std::string in_container(const std::string& path) { return path.starts_with('/') ? path : "/" + path; }

[[noreturn]] void not_found(const CopyPlace& place) {
  throw NotFound(fmt::format("Could not find the file {} in container {}", in_container(place.path), place.container));
}

/// Where what is copied to `path` goes.
WritingTarget choose_target(const Tree& tree, const std::string& path, const CopySource& source, bool directory) {
  FinalPlace place = find_final(tree, path);
  const CopyTarget target = !place.status                 ? CopyTarget::absent
                            : is_directory(*place.status) ? CopyTarget::directory
                                                          : CopyTarget::other;
  const CopyDecision decision = decide_copy(source, directory, target, path.ends_with('/'));
  if (!decision.into_directory) return {std::move(place.parent), place.name};
  Fd into = place.name.empty()
                ? std::move(place.parent)
                : sys::openat(place.parent.get(), place.name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW) |
                      or_throw("opening '{}'", overlay::printable(path));
  return {std::move(into), decision.under_own_name ? source.name : std::string()};
}

void sync_file_system_of(int object) {
  const Fd directory = sys::openat(object, ".", O_RDONLY | O_DIRECTORY) | or_throw("opening the destination");
  sys::syncfs(directory.get()) | or_throw("syncing the destination");
}

/// Everything written so far to a directory of the container is on the disk.
void make_durable(int directory, const container::Container& container) {
  sync_file_system_of(directory);
  const auto type = sys::fstatfs_type(directory);
  const std::string& upper = container.spec.plan.root.upper;
  if (!type || *type != FUSE_SUPER_MAGIC || upper.empty()) return;
  const Fd served = sys::openat(AT_FDCWD, upper.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", upper);
  sync_file_system_of(served.get());
}

/// Owners that the ids of the container's namespace hold.
GiveOwner give_real_owner() {
  return [](int object, std::uint32_t uid, std::uint32_t gid, const std::string& path) {
    const auto given = sys::fchownat(object, "", uid, gid, AT_EMPTY_PATH);
    if (given) return;
    const std::string who = fmt::format("'{}' its owner {}:{}", overlay::printable(path), uid, gid);
    if (given.error().value != EINVAL) throw SysError(given.error(), "giving " + who);
    throw Unsupported(fmt::format("giving {}: the container's range of ids has no such one", who),
                      "more ids can be given in /etc/subuid and /etc/subgid");
  };
}

/// Recorded ones, where the namespace has one id.
GiveOwner record_owner(const container::Container& container, const std::string& data, int root) {
  const ownership::Config config = container::ownership_config(container, data);
  ownership::Owners::Settings settings{.uid = config.uid, .gid = config.gid, .mounts = {}, .upper = {}, .file = {}};
  settings.mounts = ownership::mounts_of(root, config.recorded);
  settings.file = sys::openat(AT_FDCWD, config.file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600) |
                  or_throw("opening '{}'", config.file);
  if (!config.upper.empty()) {
    settings.upper =
        sys::openat(AT_FDCWD, config.upper.c_str(), O_PATH | O_DIRECTORY) | or_throw("opening '{}'", config.upper);
  }
  const Fd proc = sys::openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY) | or_throw("opening /proc");
  sys::fchdir(proc.get()) | or_throw("entering /proc");
  return [owners = std::make_shared<ownership::Owners>(std::move(settings))](
             int object, std::uint32_t uid, std::uint32_t gid, const std::string& path) {
    const int error = owners->change(object, uid, gid, {}, true);
    if (error != 0) throw SysError(Errno{error}, fmt::format("recording the owner of '{}'", overlay::printable(path)));
  };
}

/// Of what comes with owners into the container. In the child that works there.
GiveOwner owner_giver(const container::Container& container, const std::string& data, int root, bool asked_for) {
  const userns::IdentityPlan& identity = container.spec.plan.identity;
  if (identity.nested) return give_real_owner();
  if (identity.emulation == userns::IdEmulation::record) return record_owner(container, data, root);
  if (!asked_for) return {};
  throw Unsupported(fmt::format("container {} has one id, which everything in it belongs to", container.spec.name),
                    "copy without --archive");
}

std::string write_into(int root, int archive, const Places& places, const container::Container& container,
                       const CopyRequest& request, const CopySource* source) {
  const Tree tree = Tree::below(root);
  const std::string path = in_container(request.to.path);
  TreeWritingOptions options;
  options.set_ids = true;
  std::string left_out;
  options.left_out = [&](const std::string& entry) { left_out += entry + '\0'; };
  if (request.archive || source == nullptr) {
    options.give_owner = owner_giver(container, places.data, root, request.archive);
  }
  Fd directory;
  try {
    if (source == nullptr) {
      directory = tree.open(path, true);
      const struct stat status = sys::fstat(directory.get()) | or_throw("looking at '{}'", path);
      if (!is_directory(status)) {
        throw Error(fmt::format("destination \"{}:{}\" must be a directory", request.to.container, request.to.path));
      }
      options.directory = directory.get();
    } else {
      options.choose = [&](bool of_directory) {
        WritingTarget target;
        try {
          target = choose_target(tree, path, *source, of_directory);
        } catch (const SysError& error) {
          if (error.code() == ENOENT) not_found(request.to);
          throw;
        }
        directory = sys::dup(target.directory.get()) | or_throw("holding the destination");
        return target;
      };
    }
    write_tree(archive, options);
  } catch (const SysError& error) {
    if (error.code() == ENOENT && source == nullptr && !directory) not_found(request.to);
    if (error.code() != EROFS) throw;
    throw Error(container.spec.plan.root.read_only ? "container rootfs is marked read-only"
                                                   : "mounted volume is marked read-only");
  }
  if (directory) make_durable(directory.get(), container);
  return left_out;
}

/// The source's name on its way is not the user's.
std::string as_said(std::string_view path) {
  const std::string_view root = kRoot;
  if (path.starts_with(root) && path.substr(root.size()).starts_with('/')) path.remove_prefix(root.size() + 1);
  return overlay::printable(path);
}

/// What a child has written one after the other, each with a NUL behind it.
void warn_of_left_out(std::string_view paths, const Warn& warn) {
  while (!paths.empty()) {
    const auto end = paths.find('\0');
    warn(fmt::format("'{}' is a device or a socket and is left out", as_said(paths.substr(0, end))));
    paths.remove_prefix(end + 1);
  }
}

/// A stream between two processes that ends when its writer says so, whoever else has it open.
struct Stream {
  Fd reader, writer;
};
Stream make_stream() {
  auto pair = sys::socketpair(SOCK_STREAM) | or_throw("making a stream");
  return {std::move(pair.first), std::move(pair.second)};
}
void end_stream(int writer) { (void)::shutdown(writer, SHUT_WR); }

std::uint64_t copy_in(const Places& places, const container::Container& container, const CopyRequest& request,
                      const Warn& warn) {
  if (request.from.is_stream()) {
    AskedChild child = ask_in_container(places, container, [&](int root) {
      return write_into(root, STDIN_FILENO, places, container, request, nullptr);
    });
    warn_of_left_out(child.answer(), warn);
    return 0;
  }
  const CopySource source = read_copy_source(request.from.path, request.follow_link);
  const auto object = Tree::local().find(source.path, source.followed);
  if (!object) throw NotFound(fmt::format("lstat {}: no such file or directory", request.from.path));
  Stream stream = make_stream();
  AskedChild child = ask_in_container(places, container, [&](int root) {
    return write_into(root, stream.reader.get(), places, container, request, &source);
  });
  stream.reader.reset();
  std::vector<std::string> left_out;
  std::uint64_t bytes = 0;
  try {
    bytes = write_tree_archive(*object, kRoot, stream.writer.get(), {.true_owners = true, .record = {}}, left_out);
    end_stream(stream.writer.get());
  } catch (const SysError& error) {
    if (error.code() == EPIPE) (void)child.answer();  // it has a reason
    throw;
  }
  std::string also;
  for (const std::string& path : left_out) also += path + '\0';
  warn_of_left_out(also + child.answer(), warn);
  return bytes;
}

/// The source as an archive, in the child that works in the container. Returns the bytes and what is left out.
std::string read_from(int root, int archive, const char* name, const container::Container& container,
                      const CopyRequest& request, const CopySource& source) {
  TreeArchiveOptions options{.true_owners = container.spec.plan.identity.nested, .record = {}};
  if (!options.true_owners && !container.spec.plan.root.upper.empty()) {
    options.record = recorded_owners(container.spec.plan.root.upper);
  }
  if (source.path == "/") {  // what is new at every start is nobody's file
    for (const char* made : {"dev", "proc", "sys"})
      options.empty.insert(*name != '\0' ? fmt::format("{}/{}", name, made) : made);
  }
  const auto object = Tree::below(root).find(source.path, source.followed);
  if (!object) not_found(request.from);
  const struct stat status = sys::fstat(object->get()) | or_throw("looking at '{}'", source.path);
  if (source.directory && !is_directory(status)) throw Error("not a directory");
  std::vector<std::string> left_out;
  std::string answer = fmt::format("{}{}", write_tree_archive(*object, name, archive, options, left_out), '\0');
  end_stream(archive);
  for (const std::string& path : left_out) answer += path + '\0';
  return answer;
}

std::uint64_t bytes_in(const std::string& answer, const Warn& warn) {
  const auto end = answer.find('\0');
  warn_of_left_out(std::string_view(answer).substr(end + 1), warn);
  return std::stoull(answer.substr(0, end));
}

std::uint64_t copy_out(const Places& places, const container::Container& container, const CopyRequest& request,
                       const Warn& warn) {
  const CopySource source = read_copy_source(in_container(request.from.path), request.follow_link);
  if (request.to.is_stream()) {
    const std::string name = source.contents ? "" : source.name;
    AskedChild child = ask_in_container(places, container, [&](int root) {
      return read_from(root, STDOUT_FILENO, name.c_str(), container, request, source);
    });
    return bytes_in(child.answer(), warn);
  }
  Stream stream = make_stream();
  AskedChild child = ask_in_container(places, container, [&](int root) {
    return read_from(root, stream.writer.get(), kRoot, container, request, source);
  });
  stream.writer.reset();
  TreeWritingOptions options;
  options.choose = [&](bool directory) {
    try {
      return choose_target(Tree::local(), request.to.path, source, directory);
    } catch (const SysError& error) {
      if (error.code() != ENOENT) throw;
      throw NotFound(
          fmt::format("invalid output path: directory \"{}\" does not exist",
                      overlay::parent_of(request.to.path).empty() ? "." : overlay::parent_of(request.to.path)));
    }
  };
  options.left_out = [&](const std::string& path) { warn_of_left_out(path + '\0', warn); };
  try {
    write_tree(stream.reader.get(), options);
  } catch (const InvalidInput&) {
    (void)child.answer();  // the archive ends where the child could not go on: it has a reason
    throw;
  }
  return bytes_in(child.answer(), warn);
}

}  // namespace

std::uint64_t copy(const Places& places, const container::Container& container, const CopyRequest& request,
                   const Warn& warn) {
  if (request.from.path.empty()) throw UsageError("source can not be empty");
  if (request.to.path.empty()) throw UsageError("destination can not be empty");
  (void)overlay::ArchiveLibrary::get();  // before a child has anything of the container's before its eyes
  ::signal(SIGPIPE, SIG_IGN);            // whoever of the two ends first has a reason, which is told
  return request.from.container.empty() ? copy_in(places, container, request, warn)
                                        : copy_out(places, container, request, warn);
}

}  // namespace sandbox::engine
