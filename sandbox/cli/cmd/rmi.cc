// `rmi`: removes names, and what nothing reaches any more. An image of a container stays unless forced.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/image_users.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"force", 'f', nullptr, "Force removal of the image"},
    {"no-prune", '\0', nullptr, "Do not delete untagged parents (there are none)"},
};

int run(const Arguments& arguments) {
  const Places places = find_places();
  image::ImageStore store(places);
  const bool force = arguments.flag("force");
  int status = 0;
  for (const auto& name : arguments.positional) {
    try {
      const auto lines = store.remove(name, force, [&] { return engine::image_users(places); });
      for (const auto& line : lines) print(line + "\n");
    } catch (const NotFound& error) {
      print_error(error.what(), error.hint());
      if (!force) status = 1;  // with --force Docker only tells
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
