// `info`: where things live, and how many there are.
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/ranges.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/format/document.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/resources.h"
#include "sandbox/image/image_store.h"

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
  const auto containers = container::ContainerStore(facts.places).list();
  const auto runs = [](const auto& one) { return container::is_up(one.state); };
  facts.containers = std::ssize(containers);
  facts.running = std::ranges::count_if(containers, runs);
  facts.paused = std::ranges::count_if(containers, [&](const auto& one) { return runs(one) && one.state.paused; });
  facts.images = image::ImageStore(facts.places).list().size();
  ::uname(&facts.host);
  return facts;
}

/// Docker's document (Engine API, SystemInfo), as far as scripts look at it.
OrderedJson document_of(const Facts& facts) {
  const engine::ResourcesReport resources = engine::survey_resources();
  return {{"Containers", facts.containers},
          {"ContainersRunning", facts.running - facts.paused},
          {"ContainersPaused", facts.paused},
          {"ContainersStopped", facts.containers - facts.running},
          {"Images", facts.images},
          {"Driver", "overlay2"},
          {"LoggingDriver", "json-file"},
          {"CgroupDriver", resources.rung == "none"                 ? "none"
                           : resources.rung == "systemd user scope" ? "systemd"
                                                                    : "cgroupfs"},
          {"KernelVersion", facts.host.release},
          {"OSType", "linux"},
          {"Architecture", facts.host.machine},
          {"NCPU", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"MemTotal", ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE)},
          {"DockerRootDir", facts.places.data},
          {"Name", facts.host.nodename},
          {"ServerVersion", SANDBOX_VERSION},
          {"DefaultRuntime", "sandbox"},
          {"SecurityOptions", {"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"}}};
}

int run(const Arguments& arguments) {
  const Facts facts = find_facts();
  if (arguments.last("format")) {
    print(render_document(document_of(facts), arguments.text("format")));
    return 0;
  }
  print(fmt::format("Server Version: " SANDBOX_VERSION "\nContainers: {}\n Running: {}\n Stopped: {}\nImages: {}\n"
                    "Store: {}\nRuntime: {}\nKernel Version: {}\nArchitecture: {}\nUser: {}:{}\n",
                    facts.containers, facts.running, facts.containers - facts.running, facts.images, facts.places.data,
                    facts.places.runtime, facts.host.release, facts.host.machine, ::getuid(), ::getgid()));
  const engine::ResourcesReport resources = engine::survey_resources();
  print(fmt::format(
      "Resource limits: {} ({})\n", resources.rung,
      resources.reason.empty() ? fmt::format("{}", fmt::join(resources.controllers, " ")) : resources.reason));
  for (const auto& store : facts.places.additional_stores) print(fmt::format("Additional store: {}\n", store));
  return 0;
}

}  // namespace

const Command kInfo{"info", "info [OPTIONS]", "Show where things live", kOptions, run, 0, 0};

}  // namespace sandbox::cli
