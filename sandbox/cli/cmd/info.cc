// `info`: where things live, and how many there are.
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/ranges.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/container/container_store.h"
#include "sandbox/engine/resources.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

int run(const Arguments&) {
  const Places places = find_places();
  make_places(places);
  const auto containers = container::ContainerStore(places).list();
  const auto running = std::ranges::count_if(
      containers, [](const auto& container) { return container.state.status == container::Status::running; });
  utsname kernel{};
  ::uname(&kernel);
  print(fmt::format("Server Version: " SANDBOX_VERSION "\nContainers: {}\n Running: {}\n Stopped: {}\nImages: {}\n"
                    "Store: {}\nRuntime: {}\nKernel Version: {}\nArchitecture: {}\nUser: {}:{}\n",
                    containers.size(), running, std::ssize(containers) - running,
                    image::ImageStore(places).list().size(), places.data, places.runtime, kernel.release,
                    kernel.machine, ::getuid(), ::getgid()));
  const engine::ResourcesReport resources = engine::survey_resources();
  print(fmt::format("Resource limits: {} ({})\n", resources.rung,
                    resources.reason.empty() ? fmt::format("{}", fmt::join(resources.controllers, " ")) : resources.reason));
  for (const auto& store : places.additional_stores) print(fmt::format("Additional store: {}\n", store));
  return 0;
}

}  // namespace

const Command kInfo{"info", "info", "Show where things live", {}, run, 0, 0};

}  // namespace sandbox::cli
