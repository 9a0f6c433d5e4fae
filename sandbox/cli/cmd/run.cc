// `run`: image, plan, container, supervisor, and the terminal or streams until it ends.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/cli/cmd/run_options.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/supervisor.h"
#include "sandbox/engine/environment.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/engine/names.h"
#include "sandbox/engine/network_files.h"
#include "sandbox/engine/plan_container.h"
#include "sandbox/engine/security.h"
#include "sandbox/image/registry.h"

namespace sandbox::cli {
namespace {

void pull_image(image::ImageStore& store, const std::string& name, const std::string& platform) {
  image::PullOptions options;
  options.platform = platform;
  options.progress = [](const std::string& line) { ::fprintf(stderr, "%s\n", line.c_str()); };
  image::pull(store, image::parse_reference(name), options);
}

image::Image resolve_image(image::ImageStore& store, const engine::RunRequest& request) {
  if (request.pull != "missing" && request.pull != "always" && request.pull != "never") {
    throw UsageError(fmt::format("invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"", request.pull));
  }
  if (request.pull == "always") pull_image(store, request.image, request.platform);
  try {
    return store.find(request.image);
  } catch (const NotFound&) {
    if (request.pull != "missing") throw;
  }
  ::fprintf(stderr, "Unable to find image '%s' locally\n", image::parse_reference(request.image).familiar().c_str());
  pull_image(store, request.image, request.platform);
  return store.find(request.image);
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

engine::User choose_user(const engine::PlanInput& input) {
  const engine::RunRequest& request = input.request;
  std::string words = request.user.empty() ? engine::config_string(input.image, "User") : request.user;
  if (request.userns == "keep-id" && request.user.empty()) words = fmt::format("{}:{}", input.host.uid, input.host.gid);
  const auto layers =
      input.lower.empty() ? std::vector{engine::parse_rootfs(request.rootfs).directory} : input.lower;
  return engine::resolve_user(words, engine::read_layer_file(layers, "etc/passwd"),
                              engine::read_layer_file(layers, "etc/group"));
}

std::string checked_rootfs(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) throw SysError(Errno{errno}, fmt::format("root directory '{}'", path));
  std::string result = real;
  ::free(real);
  return result;
}

/// Everything that has to be read before the decision. `image` outlives the result.
engine::PlanInput gather(engine::RunRequest request, const Places& places, const userns::KeptNamespace* range,
                         image::Image& image) {
  engine::PlanInput input;
  input.host = {::getuid(), ::getgid(), host_name()};
  if (range != nullptr) {
    input.host.range_uids = range->uid_map;
    input.host.range_gids = range->gid_map;
  }
  input.data = places.data;
  input.id = random_hex(64);
  input.name = request.name.empty() ? engine::random_name() : request.name;
  input.now = ::time(nullptr);
  input.env = engine::read_environment(request.env, request.env_files);
  if (request.rootfs.empty()) {
    image::ImageStore store(places);
    image = resolve_image(store, request);
    input.image = &image;
    input.lower = store.ensure_unpacked(image, range);
  } else {
    const auto rootfs = engine::parse_rootfs(request.rootfs);
    const std::string directory = checked_rootfs(rootfs.directory);
    request.rootfs = directory + (rootfs.overlay ? ":O" : "");
    if (rootfs.overlay) input.lower = {directory};
  }
  input.request = std::move(request);
  input.user = choose_user(input);
  const auto capabilities = engine::planned_capabilities(input.request);
  input.seccomp =
      engine::seccomp_filter(engine::parse_security_options(input.request.security_options), capabilities, places.data);
  return input;
}

void check_terminal(const engine::RunRequest& request) {
  if (request.terminal && request.interactive && !request.detach && ::isatty(STDIN_FILENO) == 0) {
    throw UsageError("the input device is not a TTY");
  }
}

void write_id_file(const std::string& path, const std::string& id) {
  if (!path.empty()) write_file_atomic(path, id, false, 0644);
}

int start(const Places& places, const engine::PlanInput& input, const container::Spec& spec, int user_ns) {
  const engine::RunRequest& request = input.request;
  container::ContainerStore store(places);
  const container::Container created = store.create(spec);
  Fd supervisor;
  try {
    engine::write_network_files(created.directory, created.spec, request);
    write_id_file(request.cidfile, created.spec.id);
    supervisor = container::spawn_supervisor(places, created, user_ns);
  } catch (...) {
    store.remove(created);  // it never ran: nothing of it is worth keeping
    throw;
  }
  if (request.detach) {
    container::wait_started(std::move(supervisor));
    print(created.spec.id + "\n");
    return 0;
  }
  container::AttachOptions options;
  options.forward_stdin = request.interactive;
  options.terminal = request.terminal;
  return container::attach(std::move(supervisor), options);
}

int run(const Arguments& arguments) {
  engine::RunRequest request = run_request(arguments);
  if (const auto warning = engine::check_request(request); !warning.empty()) {
    ::fprintf(stderr, "WARNING: %s\n", warning.c_str());
  }
  check_terminal(request);
  if (!request.name.empty() && !is_valid_name(request.name)) {
    throw UsageError(fmt::format("invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", request.name));
  }
  if (!request.cidfile.empty() && path_exists(request.cidfile)) {
    throw Conflict(fmt::format("container ID file found, make sure the other container isn't running or delete {}",
                               request.cidfile));
  }
  const Places places = find_places();
  make_places(places);
  image::Image image;
  const engine::FoundRange range = engine::find_id_range(places);
  if (range.refused) ::fprintf(stderr, "WARNING: running with one user id: %s\n", range.reason.c_str());
  const engine::PlanInput input = gather(std::move(request), places, range.kept ? &*range.kept : nullptr, image);
  const container::Spec spec = engine::plan(input);
  if (input.request.print_plan) {
    print(container::to_json(spec.plan).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return 0;
  }
  engine::prepare_sources(engine::user_mounts(input.request, places.data));
  return start(places, input, spec, range.kept ? range.kept->user_ns.get() : -1);
}

}  // namespace

const Command kRun{"run", "run [OPTIONS] IMAGE [COMMAND] [ARG...]", "Create and run a new container from an image",
                   kRunOptions, run, 0, -1, false, 125};

}  // namespace sandbox::cli
