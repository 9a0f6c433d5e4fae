// See run_step.h.
#include "sandbox/engine/run_step.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/sys.h"
#include "sandbox/build/path_pattern.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/build_cache.h"
#include "sandbox/engine/container_archive.h"
#include "sandbox/engine/copy_step.h"
#include "sandbox/engine/create.h"
#include "sandbox/image/layout.h"

namespace sandbox::engine {
namespace {

using build::StepMount;
using build::StepMountType;
using userns::MountKind;
using userns::MountOp;

/// What the container gets beside its files, and what has to be there before it starts.
class StepMounts {
 public:
  StepMounts(const Places& places, StepFiles& files, const RunStep& step)
      : places_(places),
        files_(files),
        step_(step),
        script_(fmt::format("{}/containers/{}/script", places.data, step.container_id)) {
    std::size_t input = 0;
    for (const StepMount& mount : step.op.mounts) {
      const build::Files* const from = mount.input < 0 ? nullptr : step.inputs.at(input++);
      switch (mount.type) {
        case StepMountType::bind:
          bind(mount, from);
          break;
        case StepMountType::cache:
          cache(mount, from);
          break;
        case StepMountType::tmpfs:
          tmpfs(mount);
          break;
        case StepMountType::secret:
          secret(mount);
          break;
        case StepMountType::ssh:
          ssh(mount);
          break;
      }
    }
    if (!step.op.script.empty()) add_bind(script_, step.op.argv.at(0)).read_only = true;
  }

  std::vector<MountOp> ops;
  std::vector<std::string> env;
  std::vector<ChosenSecret> secrets;

  /// Precondition: the container's directory is there.
  void write_script() const {
    if (!step_.op.script.empty()) write_file_atomic(script_, step_.op.script, false, 0755);
  }

 private:
  MountOp& add(MountKind kind, const std::string& target) {
    MountOp& op = ops.emplace_back();
    op.kind = kind;
    op.target = target;
    return op;
  }
  MountOp& add_bind(const std::string& source, const std::string& target) {
    MountOp& op = add(MountKind::bind, target);
    op.source = source;
    op.recursive = false;
    return op;
  }

  /// Of the context, which is the caller's own directory; or of layers, which nothing changes.
  void bind(const StepMount& mount, const build::Files* from) {
    if (!mount.read_only) {
      throw Unsupported(fmt::format("the bind mount at {} can't be writable", mount.target),
                        "what is written there would be thrown away: copy it, or use type=cache or type=tmpfs");
    }
    if (from != nullptr && from->context.empty()) return bind_layers(mount, *from);
    const ContextFiles& context = from == nullptr ? step_.context : step_.contexts.at(from->context);
    if (context.directory.empty()) throw InvalidInput("there is no build context to mount");
    const std::string name = mount.source.empty() ? "." : mount.source;
    const std::string directory = context.ignored.empty() ? context.directory : picked(context, name);
    const Fd root =
        sys::openat(AT_FDCWD, directory.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", directory);
    const auto found = sys::openat2(root.get(), name.c_str(), O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (!found)
      throw NotFound(fmt::format("\"/{}\" of the context can't be mounted: {}", name, found.error().message()));
    MountOp& op = add_bind(name, mount.target);
    op.below = directory;  // the caller may change it meanwhile
    op.read_only = true;
  }

  /// What .dockerignore leaves of the context at `name`, at the same name in a directory that lives as long as the
  /// step.
  std::string picked(const ContextFiles& context, const std::string& name) {
    static const build::Files nothing;
    const auto& place = picked_.emplace_back(new image::Staged(files_.store().stage()))->path();
    make_directories(place + "/fs");
    build::CopyOp op;
    op.sources = {build::quoted_pattern(name)};
    op.destination = "/";
    op.parents = true;
    copy_into(files_, {op, nothing, nullptr, {}, context, {}}, place);
    return place + "/fs";
  }

  void bind_layers(const StepMount& mount, const build::Files& from) {
    const auto directories = files_.unpack(from);
    const std::string found = files_.as_root([&] {
      build::FileTree tree(directories, true);
      const auto place = tree.resolve(mount.source);
      if (!place.seen) throw NotFound(fmt::format("\"/{}\": not found", mount.source));
      if (!place.is_directory()) {
        return "=" + directories[place.seen->layer] + "/" + place.path;
      }
      std::string list;
      for (const std::string& directory : tree.directories_of(place.path))
        list += (list.empty() ? "" : "\n") + directory;
      return list;
    });
    if (found.starts_with('=')) {
      add_bind(found.substr(1), mount.target).read_only = true;
    } else if (found.find('\n') == std::string::npos) {
      add_bind(found, mount.target).read_only = true;
    } else {
      merge(found, mount.target);
    }
  }

  /// By the kernel: a list that it can't take is an error of the step.
  void merge(std::string list, const std::string& target) {
    if (list.find_first_of(":,\\") != std::string::npos) {
      throw Unsupported(fmt::format("the files for {} lie below a path with one of ':,\\'", target));
    }
    std::ranges::replace(list, '\n', ':');
    MountOp& op = add(MountKind::other, target);
    op.type = "overlay";
    op.source = "overlay";
    op.data = "userxattr,lowerdir=" + list;
    op.read_only = true;
  }

  void cache(const StepMount& mount, const build::Files* from) {
    if (from == nullptr && !mount.source.empty())
      throw InvalidInput(fmt::format("the cache mount at {} has a source, but nothing that it is from", mount.target));
    const std::string directory = cache_mount_directory(places_, mount.id);
    if (!path_exists(directory + "/data")) make_cache(directory, mount, from);
    if (mount.sharing != build::CacheSharing::shared) locks_.emplace_back(directory + "/lock");
    note_cache_mount(directory);
    add_bind(directory + "/data", mount.target).read_only = mount.read_only;
  }

  /// It gets its name when it is whole; if another build is quicker, that one's counts.
  void make_cache(const std::string& directory, const StepMount& mount, const build::Files* from) {
    make_directories(directory);
    const image::Staged staged = files_.store().stage();
    const std::string made = staged.path() + "/fs";
    make_directories(made);
    if (from != nullptr) begin_cache(staged.path(), mount, *from);
    (void)files_.as_root([&] {
      prepare_cache(made, mount);
      const std::string data = directory + "/data";
      const auto named = sys::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, data.c_str(), RENAME_NOREPLACE);
      if (!named && named.error().value != EEXIST) throw SysError(named.error(), fmt::format("naming '{}'", data));
      return std::string();
    });
  }

  void begin_cache(const std::string& place, const StepMount& mount, const build::Files& from) {
    static const build::Files nothing;
    build::CopyOp op;
    op.sources = {mount.source.empty() ? "." : build::quoted_pattern(mount.source)};
    op.destination = "/";
    const bool of_context = !from.context.empty();
    const ContextFiles& context = of_context ? step_.contexts.at(from.context) : step_.context;
    copy_into(files_, {op, nothing, of_context ? nullptr : &from, {}, context, {}}, place);
  }

  /// With one id all users of the container are the same to the kernel.
  void prepare_cache(const std::string& path, const StepMount& mount) const {
    const Fd data = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening '{}'", path);
    if (files_.true_owners()) {
      sys::fchownat(data.get(), "", mount.uid, mount.gid, AT_EMPTY_PATH) | or_throw("giving '{}' to its user", path);
    }
    sys::fchmod(data.get(), mount.mode.value_or(0755)) | or_throw("setting the mode of '{}'", path);
  }

  void tmpfs(const StepMount& mount) {
    MountOp& op = add(MountKind::tmpfs, mount.target);
    op.data = "mode=1777" + (mount.size == 0 ? std::string() : fmt::format(",size={}", mount.size));
  }

  void secret(const StepMount& mount) {
    const auto found = step_.request.secrets.find(mount.id);
    if (found == step_.request.secrets.end()) {
      if (mount.required) throw NotFound(fmt::format("secret {}: not found", mount.id), "--secret id=…,src=… gives it");
      return;
    }
    if (!mount.environment.empty())
      secrets.push_back({.name = mount.id, .target = mount.environment, .variable = true, .data = found->second});
    if (mount.target.empty()) return;
    ChosenSecret& file = secrets.emplace_back();
    file = {.name = mount.id, .target = mount.target, .mode = mount.mode.value_or(0400), .data = found->second};
    if (mount.uid != 0) file.uid = mount.uid;
    if (mount.gid != 0) file.gid = mount.gid;
  }

  /// The agent asks for the caller's user id: that of root in the container.
  void ssh(const StepMount& mount) {
    const auto found = step_.request.agents.find(mount.id);
    if (found == step_.request.agents.end()) {
      if (mount.required) throw NotFound(fmt::format("unset ssh forward key {}", mount.id), "--ssh gives it");
      return;
    }
    add_bind(found->second, mount.target);
    env.push_back("SSH_AUTH_SOCK=" + mount.target);
  }

  const Places& places_;
  StepFiles& files_;
  const RunStep& step_;
  std::string script_;  ///< A file that only this step sees.
  std::vector<FileLock> locks_;  ///< Of caches that one step has at a time.
  std::vector<std::unique_ptr<image::Staged>> picked_;
};

RunRequest run_request(const RunStep& step) {
  RunRequest request = step.request.limits;
  request.entrypoint = step.op.argv.empty() ? "" : step.op.argv.front();
  if (!step.op.argv.empty()) request.command.assign(step.op.argv.begin() + 1, step.op.argv.end());
  request.user = step.op.user;
  request.workdir = step.op.directory;
  request.env = step.op.env;
  request.env.insert(request.env.end(), step.op.hidden_env.begin(), step.op.hidden_env.end());
  request.hostname = "buildkitsandbox";  // as BuildKit's steps have it: a name that is the same each time
  const std::string& network = step.op.network.empty() ? step.request.network : step.op.network;
  request.network = network.empty() || network == "default" ? "private" : network;
  return request;
}

/// Removes the container when the scope ends.
class OwnContainer {
 public:
  OwnContainer(const Places& places, container::Container made) : store_(places), container(std::move(made)) {}
  ~OwnContainer() {
    try {
      store_.remove(container);
    } catch (const Error&) {
      // It goes when this process has: see Spec::owner.
    }
  }
  OwnContainer(const OwnContainer&) = delete;
  OwnContainer& operator=(const OwnContainer&) = delete;

 private:
  container::ContainerStore store_;

 public:
  const container::Container container;
};

void run_to_the_end(const Places& places, const RunStep& step, const container::Container& container) {
  Fd supervisor = start_container(places, container);
  container::AttachOptions options;
  options.forward_signals = false;
  const int status = container::attach(std::move(supervisor), options);
  if (status == 0) return;
  std::string words;
  for (const std::string& word : step.op.argv) words += (words.empty() ? "" : " ") + word;
  throw StepFailure(fmt::format("process \"{}\" did not complete successfully: exit code: {}", words, status));
}

}  // namespace

build::Layer run_step(const Places& places, StepFiles& files, const RunStep& step) {
  if (step.base.layers.empty()) {
    throw InvalidInput("there is no program to run: FROM scratch begins with an empty directory",
                       "COPY what the step needs before it");
  }
  const StepMounts mounts(places, files, step);
  RunRequest request = run_request(step);
  request.env.insert(request.env.end(), mounts.env.begin(), mounts.env.end());
  const auto warn = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  Decision decision =
      decide_for(places, request, files.image_of(step.base), step.container_id, mounts.secrets, warn);
  container::Spec& spec = decision.spec;
  spec.owner = {::getpid(), process_start_time(::getpid())};
  spec.plan.root.upper_is_volatile = true;  // it becomes a layer, which is synced
  std::vector<MountOp>& planned = spec.plan.mounts;  // with secrets, which may lie in mounts of the step
  planned.insert(planned.end(), mounts.ops.begin(), mounts.ops.end());
  std::ranges::stable_sort(planned, {}, [](const MountOp& op) { return std::ranges::count(op.target, '/'); });
  Stopwatch watch;
  const OwnContainer own(places, create_container(places, request, decision, watch, true));
  mounts.write_script();
  run_to_the_end(places, step, own.container);
  const build::Layer layer =
      files.make_layer([&](int file) { return write_changes(places, own.container, file, overlay::Compression::gzip); },
                       [&](const std::string& path) {
                         warn(fmt::format("WARNING: '/{}' has no form in an image and is left out", path));
                       });
  if (!layer.digest.empty()) files.take_unpacked(step.base, layer, own.container.spec.plan.root.upper);
  return layer;
}

}  // namespace sandbox::engine
