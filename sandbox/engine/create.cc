// See create.h.
#include "sandbox/engine/create.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/cgroup/survey.h"
#include "sandbox/container/actions.h"
#include "sandbox/container/log_sink.h"
#include "sandbox/container/name_files.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/attachments.h"
#include "sandbox/engine/devices.h"
#include "sandbox/engine/environment.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/engine/image_users.h"
#include "sandbox/engine/life_options.h"
#include "sandbox/engine/lifecycle.h"
#include "sandbox/engine/limits.h"
#include "sandbox/engine/names.h"
#include "sandbox/engine/network_files.h"
#include "sandbox/engine/plan_container.h"
#include "sandbox/engine/process_options.h"
#include "sandbox/engine/security.h"
#include "sandbox/engine/shared_namespaces.h"
#include "sandbox/engine/system_container.h"
#include "sandbox/engine/volumes.h"
#include "sandbox/image/registry.h"
#include "sandbox/image/registry_manifest.h"
#include "sandbox/image/unpacking.h"
#include "sandbox/ownership/ownership.h"

namespace sandbox::engine {
namespace {

void check_words(const RunRequest& request) {
  check_request(request);
  if (!request.name.empty() && !is_valid_name(request.name)) {
    throw UsageError(
        fmt::format("invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", request.name));
  }
  if (request.pull != "missing" && request.pull != "always" && request.pull != "never") {
    throw UsageError(
        fmt::format("invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"", request.pull));
  }
  if (!request.cidfile.empty() && path_exists(request.cidfile)) {
    throw Conflict(fmt::format("container ID file found, make sure the other container isn't running or delete {}",
                               request.cidfile));
  }
}

void pull_image(const Places& places, const RunRequest& request, const userns::KeptNamespace* range,
                const Notice& notice) {
  image::ImageStore store(places);
  image::LineProgress progress(notice);
  const auto unpack = [&](const image::Image& image, const image::Unpacking::Arriving& arriving) {
    return std::make_unique<image::Unpacking>(store, places, image, range, arriving);
  };
  const image::PullOptions options{.platform = request.platform, .progress = &progress, .unpack = unpack};
  image::pull_name(store, request.image, options);
}

/// What the store has under that name, if it is for the platform that was asked for.
image::Image find_fitting(const image::ImageStore& store, const RunRequest& request) {
  image::Image image = store.find(request.image);
  if (request.platform.empty()) return image;
  const image::Platform own = image::platform_of_config(image.config_document);
  if (image::platform_matches(own, image::parse_platform(request.platform))) return image;
  throw NotFound(fmt::format("image '{}' was found but its platform ({}) does not match the specified platform ({})",
                             request.image, own.text(), request.platform));
}

image::Image find_image(const Places& places, const RunRequest& request, const userns::KeptNamespace* range,
                        const Notice& notice) {
  const image::ImageStore store(places);
  if (request.pull == "always") pull_image(places, request, range, notice);
  try {
    return find_fitting(store, request);
  } catch (const NotFound&) {
    if (request.pull != "missing") throw;
  }
  if (!places.ignored_store.empty()) notice("WARNING: " + places.ignored_store);
  notice(fmt::format("Unable to find image '{}' locally", image::parse_reference(request.image).familiar()));
  pull_image(places, request, range, notice);
  return find_fitting(store, request);
}

/// A log that goes nowhere would be noticed when it is needed.
void require_log(const container::LogPlan& log) {
  if (log.driver != container::LogDriver::journald || ::access(container::journal_socket, W_OK) == 0) return;
  throw Unsupported(fmt::format("the log driver 'journald' needs systemd's journal: '{}': {}",
                                container::journal_socket, Errno{errno}.message()),
                    "use --log-driver json-file");
}

HostIdentity host_identity(const FoundRange& range) {
  HostIdentity host{.uid = ::getuid(),
                    .gid = ::getgid(),
                    .hostname = container::host_name(),
                    .range_uids = {},
                    .range_gids = {},
                    .has_fuse = ::access("/dev/fuse", R_OK | W_OK) == 0,
                    .notifies = ownership::is_supported()};
  if (range.kept) {
    host.range_uids = range.kept->uid_map;
    host.range_gids = range.kept->gid_map;
  }
  return host;
}

bool is_mounted(const std::vector<UserMount>& mounts, const std::string& path) {
  const auto holds = [&](const UserMount& mount) { return (path + "/").starts_with(mount.op.target + "/"); };
  return std::ranges::any_of(mounts, holds);
}

/// Who the container's process is, and the entry in the files that name users. The caller's home is one where it is
/// mounted.
void choose_user(PlanInput& input, const std::vector<UserMount>& mounts) {
  const RunRequest& request = input.request;
  std::string words = request.user.empty() ? config_string(input.image, "User") : request.user;
  if (request.userns == "keep-id" && request.user.empty()) words = fmt::format("{}:{}", input.host.uid, input.host.gid);
  const auto layers = input.lower.empty() ? std::vector{parse_rootfs(request.rootfs).directory} : input.lower;
  AccountFiles files;
  try {
    files = {read_layer_file(layers, "etc/passwd"), read_layer_file(layers, "etc/group")};
  } catch (const SysError& error) {
    if (error.code() != ENOENT || !request.rootfs.empty()) throw;
    throw NotFound(fmt::format("image '{}' was removed meanwhile", request.image));
  }
  User& user = input.user = resolve_user(words, files.passwd, files.group);
  if (request.passwd) {
    const bool is_caller = request.userns == "keep-id" && user.uid == input.host.uid;
    const Account account = is_caller ? caller_account() : Account{};
    if (user.home == "/" && is_mounted(mounts, account.home)) user.home = account.home;
    input.files = complete_accounts(files, user, account);
  }
  if (input.keeps_groups) return;
  const std::vector<std::uint32_t> added = find_groups(request.group_add, files.group);
  user.groups.insert(user.groups.end(), added.begin(), added.end());
}

/// Whether --group-add says "keep-groups". Throws where no other groups can be had.
bool keeps_groups(const RunRequest& request, const HostIdentity& host) {
  const bool keeps = std::ranges::find(request.group_add, "keep-groups") != request.group_add.end();
  if (keeps && request.group_add.size() > 1) {
    throw UsageError("the '--group-add keep-groups' option is not allowed with any other --group-add options");
  }
  if (!keeps && !request.group_add.empty() && host.range_gids.empty()) {
    throw Unsupported("--group-add is not possible with one user id: there are no other groups",
                      "see 'sandbox doctor' for how to get a range of ids");
  }
  return keeps;
}

/// Makes the --rootfs directory absolute, and the lower layer when writes are to stay out of it.
void locate_rootfs(PlanInput& input) {
  const Rootfs rootfs = parse_rootfs(input.request.rootfs);
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(rootfs.directory.c_str(), nullptr), ::free);
  if (!real) throw SysError(Errno{errno}, fmt::format("root directory '{}'", rootfs.directory));
  input.request.rootfs = std::string(real.get()) + (rootfs.overlay ? ":O" : "");
  if (rootfs.overlay) input.lower = {real.get()};
}

std::vector<UserMount> read_inherited(const Places& places, const RunRequest& request) {
  const container::VolumeStore volumes(places);
  std::vector<UserMount> inherited;
  for (const std::string& words : request.volumes_from) {
    const auto other = container::ContainerStore(places).find(container_of(words));
    for (UserMount& mount : inherited_mounts(other, words, volumes)) inherited.push_back(std::move(mount));
  }
  return inherited;
}

/// Whether a system is booted. Where that is not said but seen, a machine that can't do it is worth a warning.
bool decide_system(const PlanInput& input, const Notice& notice) {
  const SystemMode mode = parse_system_mode(input.request.systemd);
  if (mode == SystemMode::never || input.request.cgroupns == "host" || input.sharing.has("pid")) return false;
  const std::string program = planned_argv(input).front();
  if (mode == SystemMode::automatic && !is_init(program)) return false;
  const cgroup::Choice choice = cgroup::choose(cgroup::survey(), {}, cgroup::Own::needed);
  if (choice.rung != cgroup::Rung::none) return true;
  if (mode == SystemMode::always) throw Unsupported(fmt::format("--systemd=always: {}", choice.reason), choice.hint);
  notice(
      fmt::format("WARNING: {} gets no cgroup of its own to divide, as systemd needs it: {}", program, choice.reason));
  return false;
}

/// The layers of images that are mounted.
std::map<std::string, std::vector<std::string>> unpack_mounted(const Places& places, const RunRequest& request,
                                                               const userns::KeptNamespace* range,
                                                               const Notice& notice) {
  std::map<std::string, std::vector<std::string>> layers;
  for (const std::string& name : mounted_images(request)) {
    RunRequest wanted = request;
    wanted.image = name;
    const image::Image image = find_image(places, wanted, range, notice);
    layers[name] = image::ImageStore(places).ensure_unpacked(image, range);
    if (layers[name].empty()) throw UsageError(fmt::format("image '{}' has no files to mount", name));
  }
  return layers;
}

/// What is to be run: of an image, or of a directory (--rootfs).
Decision decide_on(const Places& places, const RunRequest& request,
                   const std::function<image::Image(const userns::KeptNamespace* range)>& find, const std::string& id,
                   std::vector<ChosenSecret> secrets, const Notice& notice, Stopwatch& watch) {
  check_words(request);
  require_log(parse_log(request.log_driver, request.log_options));
  const GrantedLimits granted = decide_limits(request);
  for (const auto& warning : granted.warnings) notice("WARNING: " + warning);
  if (publishes(request) && request.network == "host")
    notice("WARNING: Published ports are discarded when using host network mode");
  const FoundRange range = find_id_range(places);
  watch.lap("range of ids");
  if (range.refused) notice(fmt::format("WARNING: running with one user id: {}", range.reason));
  const userns::KeptNamespace* const kept = range.kept ? &*range.kept : nullptr;
  PlanInput input;
  input.request = request;
  input.limits = granted.limits;
  if (const char* driver = ::getenv("SANDBOX_STORAGE_DRIVER"); driver != nullptr && request.storage_driver.empty()) {
    input.request.storage_driver = driver;
  }
  input.host = host_identity(range);
  input.sharing = find_sharing(places, request);
  if (input.sharing.any()) input.request.userns = shared_user_mode(input.sharing, request.userns, input.host);
  input.request.labels = read_labels(request.label_files);
  input.request.labels.insert(input.request.labels.end(), request.labels.begin(), request.labels.end());
  input.keeps_groups = keeps_groups(request, input.host);
  ChosenDevices devices = choose_devices(request, notice);
  input.devices = std::move(devices.nodes);
  input.data = places.data;
  input.id = id;
  input.name = request.name.empty() ? random_name() : request.name;
  ::clock_gettime(CLOCK_REALTIME, &input.now);
  input.env = read_environment(request.env, request.env_files);
  if (request.env_host) input.given_env = own_environment();
  input.given_env.insert(input.given_env.end(), devices.env.begin(), devices.env.end());
  image::Image image;
  if (request.rootfs.empty()) {
    image = find(kept);
    input.image = &image;
    watch.lap("image");
    input.lower = image::ImageStore(places).ensure_unpacked(image, kept);
  } else {
    locate_rootfs(input);
  }
  watch.lap("layers");
  input.inherited = read_inherited(places, request);
  std::ranges::move(devices.mounts, std::back_inserter(input.inherited));
  input.mounted_layers = unpack_mounted(places, request, kept, notice);
  std::vector<UserMount> mounts = planned_mounts(input);
  warn_of_devices(mounts, notice);
  choose_user(input, mounts);
  if (!request.time_zone.empty()) input.files["localtime"] = read_time_zone(request.time_zone);
  input.secrets = std::move(secrets);
  input.attachments = choose_attachments(places, request);
  watch.lap("user");
  input.seccomp =
      seccomp_filter(security_of(request), planned_capabilities(request), places.data);
  watch.lap("seccomp filter");
  input.boots_system = decide_system(input, notice);
  return {.spec = plan(input),
          .files = std::move(input.files),
          .secrets = std::move(input.secrets),
          .mounts = std::move(mounts)};
}

}  // namespace

Decision decide(const Places& places, const RunRequest& request, const Notice& notice, Stopwatch& watch) {
  const auto find = [&](const userns::KeptNamespace* range) {
    return find_image(places, request, range, notice);
  };
  return decide_on(places, request, find, random_container_id(), choose_secrets(places, request.secrets), notice, watch);
}

Decision decide_for(const Places& places, const RunRequest& request, const image::Image& image,
                    const std::string& id, std::vector<ChosenSecret> secrets, const Notice& notice) {
  Stopwatch watch;
  const auto find = [&](const userns::KeptNamespace*) { return image; };
  return decide_on(places, request, find, id, std::move(secrets), notice, watch);
}

namespace {

void write_files(const std::string& directory, const GeneratedFiles& files) {
  for (const auto& [name, content] : files) {
    write_file_atomic(fmt::format("{}/{}", directory, name), content, false, 0644);
  }
}

/// A name that we made up may be in use already; with a part of the id it is not.
container::Container create_named(const Places& places, const RunRequest& request, const Decision& decision,
                                  bool starts_at_once) {
  container::ContainerStore store(places);
  container::Spec spec = decision.spec;
  const auto complete = [&](const std::string& directory) {
    if (!spec.shared_namespaces.contains("network")) write_network_files(directory, spec, request);
    write_files(directory, decision.files);
    write_secrets(places, spec.plan, directory, decision.secrets);
  };
  try {
    return store.create(spec, starts_at_once, complete);
  } catch (const Conflict&) {
    if (!request.name.empty()) throw;
    spec.name += "_" + spec.id.substr(0, 8);
    return store.create(spec, starts_at_once, complete);
  }
}

/// Makes room for another one of that name.
void remove_named(const Places& places, const std::string& name) {
  for (const auto& other : container::ContainerStore(places).entries()) {
    if (other.spec.name == name) force_remove(places, other.spec.id);
  }
}

}  // namespace

container::Container create_container(const Places& places, const RunRequest& request, const Decision& decision,
                                      Stopwatch& watch, bool starts_at_once) {
  const container::Spec& spec = decision.spec;
  container::ContainerStore store(places);
  watch.lap("plan");
  if (request.replace) remove_named(places, request.name);
  auto layers = image::ImageStore(places).hold_layers(layers_of(spec));
  // With their volumes, whose lock we may have from here on.
  if (container::VolumeStore(places).has_any()) (void)store.entries_swept();
  std::optional<container::VolumeStore::Held> volumes;
  container::Container created;
  try {
    prepare_mounts(places, spec, decision.mounts, volumes);
    watch.lap("volumes");
    created = create_named(places, request, decision, starts_at_once);
  } catch (...) {
    if (volumes) volumes->settle();
    throw;
  }
  if (volumes) volumes->settle(created.spec);
  volumes.reset();
  layers.reset();
  watch.lap("container on disk");
  try {
    if (!request.cidfile.empty()) write_file_atomic(request.cidfile, created.spec.id, false, 0644);
  } catch (...) {
    store.remove(created);  // it never ran: nothing of it is worth keeping
    const container::VolumeStore theirs(places);
    theirs.remove_unused_anonymous(theirs.volumes_of(created.spec));
    throw;
  }
  if (!starts_at_once) store.make_durable(created);
  return created;
}

Fd start_container(const Places& places, const container::Container& container, const std::vector<int>& passed) {
  container::require_possible(container::Action::start, container.state, container.spec.name);
  if (!container.spec.plan.identity.nested) return container::spawn_supervisor(places, container, nullptr, passed);
  const FoundRange range = find_id_range(places);
  if (!range.kept) {
    throw Unsupported(fmt::format("container {} needs a range of ids: {}", container.spec.name, range.reason),
                      range.fix);
  }
  return container::spawn_supervisor(places, container, &*range.kept, passed);
}

}  // namespace sandbox::engine
