// `rmi`: removes names, and what nothing reaches any more. An image of a container stays unless forced.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {{"force", 'f', nullptr, "Force removal of the image"}};

void check_unused(const Places& places, const image::Image& image, const std::string& name, bool force) {
  for (const auto& found : container::ContainerStore(places).list()) {
    if (found.spec.image_id != image.id()) continue;
    const bool running = found.state.status == container::Status::running;
    if (force && !running) continue;
    throw Conflict(fmt::format("conflict: unable to remove repository reference \"{}\"{} - container {} is using its "
                               "referenced image {}",
                               name, running ? "" : " (must force)", short_id(found.spec.id), short_id(image.id())));
  }
}

int run(const Arguments& arguments) {
  const Places places = find_places();
  image::ImageStore store(places);
  int status = 0;
  for (const auto& name : arguments.positional) {
    try {
      const bool force = arguments.flag("force");
      check_unused(places, store.find(name), name, force);
      for (const auto& line : store.remove(name, force)) print(line + "\n");
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  return status;
}

}  // namespace

const Command kRmi{"rmi", "rmi [OPTIONS] IMAGE [IMAGE...]", "Remove images", kOptions, run, 1};

}  // namespace sandbox::cli
