// `inspect`: containers and images as JSON in Docker's shape.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/container/volume_store.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

constexpr const char* kStatusNames[] = {"created", "running", "exited"};

Json describe_ports(const container::Container& container) {
  Json ports = Json::object();
  for (const auto& port : container::published_ports(container)) {
    ports[fmt::format("{}/{}", port.container_port, port.udp ? "udp" : "tcp")].push_back(
        {{"HostIp", port.host_ip}, {"HostPort", fmt::format("{}", port.host_port)}});
  }
  return ports;
}

Json describe_mounts(const container::Spec& spec) {
  const container::VolumeStore volumes(find_places());
  Json mounts = Json::array();
  for (const auto& mount : spec.plan.mounts) {
    if (mount.kind != userns::MountKind::bind) continue;
    Json entry = {{"Type", "bind"}, {"Source", mount.source}, {"Destination", mount.target}, {"RW", !mount.read_only}};
    if (const std::string volume = volumes.volume_of(mount); !volume.empty()) {
      entry["Type"] = "volume";
      entry["Name"] = volume;
      entry["Driver"] = "local";
    }
    mounts.push_back(std::move(entry));
  }
  return mounts;
}

Json describe_host_config(const container::Spec& spec) {
  const cgroup::Limits& limits = spec.limits;
  return {{"AutoRemove", spec.auto_remove},
          {"ReadonlyRootfs", spec.plan.root.read_only},
          {"Memory", limits.memory},
          // Docker shows what the default comes to.
          {"MemorySwap", limits.memory_swap != 0 ? limits.memory_swap : static_cast<std::int64_t>(limits.memory * 2)},
          {"MemoryReservation", limits.memory_reservation},
          {"NanoCpus", limits.nano_cpus},
          {"CpuShares", limits.cpu_shares},
          {"CpusetCpus", limits.cpuset_cpus},
          {"CpusetMems", limits.cpuset_mems},
          {"PidsLimit", limits.pids != 0 ? Json(limits.pids) : Json(nullptr)}};
}

Json describe(const container::Container& found) {
  const auto& [spec, state, directory] = found;
  const auto& process = spec.plan.process;
  const bool running = state.status == container::Status::running;
  Json args = Json::array();
  for (std::size_t i = 1; i < process.argv.size(); ++i) args.push_back(process.argv[i]);
  return {{"Id", spec.id},
          {"Created", engine::format_time(spec.created)},
          {"Path", process.argv.empty() ? "" : process.argv[0]},
          {"Args", args},
          {"State",
           {{"Status", state.paused ? "paused" : kStatusNames[static_cast<int>(state.status)]},
            {"Running", running},
            {"Paused", state.paused},
            {"Pid", running ? state.pid : 0},
            {"OOMKilled", state.oom_killed},
            {"ExitCode", state.exit_code},
            {"Error", state.error},
            {"StartedAt", engine::format_time(state.started)},
            {"FinishedAt", engine::format_time(state.finished)}}},
          {"Image", spec.image_id},
          {"Name", "/" + spec.name},
          {"LogPath", container::log_path(found)},
          {"HostConfig", describe_host_config(spec)},
          {"Mounts", describe_mounts(spec)},
          {"Config",
           {{"Hostname", spec.plan.hostname},
            {"User", fmt::format("{}:{}", process.uid, process.gid)},
            {"Tty", process.terminal},
            {"OpenStdin", spec.open_stdin},
            {"Env", process.env},
            {"Cmd", process.argv},
            {"Image", spec.image},
            {"WorkingDir", process.cwd},
            {"Labels", spec.labels}}},
          {"NetworkSettings",
           {{"Ports", describe_ports(found)},
            {"IPAddress", spec.plan.network ? spec.plan.network->address : ""},
            {"Gateway", spec.plan.network ? spec.plan.network->gateway : ""}}}};
}

Json describe(const image::Image& image) {
  const Json& config = image.config_document;
  const auto member = [&](const char* key) { return config.contains(key) ? config[key] : Json(); };
  std::uint64_t size = 0;
  for (const auto& layer : image.layers) size += layer.size;
  Json tags = Json::array();
  if (!image.name.empty()) tags.push_back(image::parse_reference(image.name).familiar());
  return {{"Id", image.id()},
          {"RepoTags", tags},
          {"Created", member("created")},
          {"Architecture", member("architecture")},
          {"Os", member("os")},
          {"Size", size},
          {"Config", member("config")},
          {"Descriptor", {{"mediaType", image.manifest.media_type}, {"digest", image.manifest.digest}, {"size", image.manifest.size}}},
          {"RootFS", {{"Type", "layers"}, {"Layers", image.diff_ids}}}};
}

Json describe_any(const Places& places, const std::string& name) {
  try {
    return describe(container::ContainerStore(places).find(name));
  } catch (const NotFound&) {
  }
  try {
    return describe(image::ImageStore(places).find(name));
  } catch (const NotFound&) {
    throw NotFound(fmt::format("no such object: {}", name));
  }
}

int run(const Arguments& arguments) {
  const Places places = find_places();
  Json found = Json::array();
  int status = 0;
  for (const auto& name : arguments.positional) {
    try {
      found.push_back(describe_any(places, name));
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  print(json_for_terminals(found) + "\n");
  return status;
}

}  // namespace

const Command kInspect{"inspect", "inspect NAME|ID [NAME|ID...]", "Show containers and images as JSON", {}, run, 1};

}  // namespace sandbox::cli
