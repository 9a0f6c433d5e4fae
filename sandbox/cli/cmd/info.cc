// `info`: where things live, and how many there are.
#include <linux/magic.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/format/document.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/resources.h"
#include "sandbox/engine/units.h"
#include "sandbox/image/image_store.h"
#include "sandbox/image/layout.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {{"format", 'f', "string", "Format output: 'json', or a Go template"}};

/// What is there, and where.
struct Facts {
  Places places;
  std::int64_t containers = 0, running = 0, paused = 0;
  std::size_t images = 0;
  utsname host{};
};

Facts find_facts() {
  Facts facts{find_places()};
  make_places(facts.places);
  const auto containers = container::ContainerStore(facts.places).entries();
  const auto runs = [](const auto& one) { return container::is_up(one.state); };
  facts.containers = std::ssize(containers);
  facts.running = std::ranges::count_if(containers, runs);
  facts.paused = std::ranges::count_if(containers, [&](const auto& one) { return runs(one) && one.state.paused; });
  facts.images = image::ImageStore(facts.places).list().size();
  ::uname(&facts.host);
  return facts;
}

/// A value of os-release(5), "" when there is none.
std::string os_release(const std::string& key) {
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    if (!path_exists(path)) continue;
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(key + "=")) continue;
      std::string value = line.substr(key.size() + 1);
      if (value.size() >= 2 && (value.front() == '"' || value.front() == '\''))
        value = value.substr(1, value.size() - 2);
      return value;
    }
  }
  return {};
}

/// Docker's names of what the store is on (statfs(2)).
std::string backing_file_system(const std::string& path) {
  const auto directory = sys::openat(AT_FDCWD, path.c_str(), O_PATH | O_DIRECTORY);
  const auto type = directory ? sys::fstatfs_type(directory->get()) : Result<std::uint64_t>(0);
  switch (type ? *type : 0) {
    case EXT4_SUPER_MAGIC: return "extfs";
    case XFS_SUPER_MAGIC: return "xfs";
    case BTRFS_SUPER_MAGIC: return "btrfs";
    case F2FS_SUPER_MAGIC: return "f2fs";
    case TMPFS_MAGIC: return "tmpfs";
    case NFS_SUPER_MAGIC: return "nfs";
    case OVERLAYFS_SUPER_MAGIC: return "overlayfs";
    default: return "<unknown>";
  }
}

bool has_unified_cgroups() { return path_exists("/sys/fs/cgroup/cgroup.controllers"); }

std::string cgroup_driver(const engine::ResourcesReport& resources) {
  return resources.rung == "none" ? "none" : resources.rung == "systemd user scope" ? "systemd" : "cgroupfs";
}

std::int64_t memory_of_host() { return ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE); }

/// Docker's document (Engine API, SystemInfo), as far as scripts look at it.
OrderedJson document_of(const Facts& facts) {
  const engine::ResourcesReport resources = engine::survey_resources();
  const auto limits = [&](const char* controller) {
    return std::ranges::find(resources.controllers, controller) != resources.controllers.end();
  };
  return {{"ID", facts.host.nodename},
          {"Containers", facts.containers},
          {"ContainersRunning", facts.running - facts.paused},
          {"ContainersPaused", facts.paused},
          {"ContainersStopped", facts.containers - facts.running},
          {"Images", facts.images},
          {"Driver", "overlay2"},
          {"DriverStatus",
           OrderedJson::array({OrderedJson::array({"Backing Filesystem", backing_file_system(facts.places.data)}),
                               OrderedJson::array({"Supports d_type", "true"})})},
          {"Plugins",
           {{"Volume", OrderedJson::array({"local"})},
            {"Network", {"bridge", "host", "null"}},
            {"Authorization", nullptr},
            {"Log", {"journald", "json-file", "local", "none"}}}},
          {"MemoryLimit", limits("memory")},
          {"SwapLimit", limits("memory")},
          {"CpuCfsPeriod", limits("cpu")},
          {"CpuCfsQuota", limits("cpu")},
          {"CPUShares", limits("cpu")},
          {"CPUSet", limits("cpuset")},
          {"PidsLimit", limits("pids")},
          {"Debug", false},
          {"SystemTime", engine::format_time(::time(nullptr))},
          {"LoggingDriver", "json-file"},
          {"CgroupDriver", cgroup_driver(resources)},
          {"CgroupVersion", has_unified_cgroups() ? "2" : "1"},
          {"KernelVersion", facts.host.release},
          {"OperatingSystem", os_release("PRETTY_NAME")},
          {"OSVersion", os_release("VERSION_ID")},
          {"OSType", "linux"},
          {"Architecture", facts.host.machine},
          {"NCPU", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"MemTotal", memory_of_host()},
          {"DockerRootDir", facts.places.data},
          {"Name", facts.host.nodename},
          {"Labels", OrderedJson::array()},
          {"ExperimentalBuild", false},
          {"ServerVersion", SANDBOX_VERSION},
          {"Runtimes", {{"sandbox", {{"path", executable_path()}}}}},
          {"DefaultRuntime", "sandbox"},
          {"Swarm", {{"LocalNodeState", "inactive"}}},
          {"LiveRestoreEnabled", true},
          {"Isolation", ""},
          {"InitBinary", "sandbox"},
          {"SecurityOptions", {"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"}},
          {"Warnings", nullptr},
          {"ClientInfo", {{"Version", SANDBOX_VERSION}, {"Os", "linux"}, {"Arch", image::host_architecture()}}}};
}

int run(const Arguments& arguments) {
  const Facts facts = find_facts();
  if (arguments.last("format")) {
    print(render_document(document_of(facts), arguments.text("format")));
    return 0;
  }
  print(fmt::format("Server Version: " SANDBOX_VERSION "\nContainers: {}\n Running: {}\n Stopped: {}\nImages: {}\n"
                    "Store: {}\nRuntime: {}\nKernel Version: {}\nOperating System: {}\nArchitecture: {}\nCPUs: {}\n"
                    "Total Memory: {}\nUser: {}:{}\n",
                    facts.containers, facts.running, facts.containers - facts.running, facts.images, facts.places.data,
                    facts.places.runtime, facts.host.release, os_release("PRETTY_NAME"), facts.host.machine,
                    ::sysconf(_SC_NPROCESSORS_ONLN), engine::human_size(static_cast<std::uint64_t>(memory_of_host())),
                    ::getuid(), ::getgid()));
  const engine::ResourcesReport resources = engine::survey_resources();
  print(fmt::format("Cgroup Driver: {}\nCgroup Version: {}\n", cgroup_driver(resources),
                    has_unified_cgroups() ? "2" : "1"));
  print(fmt::format(
      "Resource limits: {} ({})\n", resources.rung,
      resources.reason.empty() ? fmt::format("{}", fmt::join(resources.controllers, " ")) : resources.reason));
  for (const auto& store : facts.places.additional_stores) {
    print(fmt::format("Additional store: {}\n", store));
    const std::string reason = image::foreign_layers(store);
    if (reason.empty()) continue;
    print(fmt::format(" Its unpacked layers: not used, but unpacked into your store ({})\n", reason));
  }
  if (!facts.places.ignored_store.empty()) print(fmt::format("WARNING: {}\n", facts.places.ignored_store));
  return 0;
}

}  // namespace

const Command kInfo{"info", "info [OPTIONS]", "Show where things live", kOptions, run, 0, 0};

}  // namespace sandbox::cli
