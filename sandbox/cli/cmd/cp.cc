// `cp`: files between a container and this machine.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/copy.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"archive", 'a', nullptr, "Archive mode (copy all uid/gid information)"},
    {"follow-link", 'L', nullptr, "Always follow symbol link in SRC_PATH"},
    {"quiet", 'q', nullptr,
     "Suppress progress output during copy. Progress output is automatically suppressed if no "
     "terminal is attached"},
};

int run(const Arguments& arguments) {
  engine::CopyRequest request{engine::parse_copy_place(arguments.positional[0]),
                              engine::parse_copy_place(arguments.positional[1]), arguments.flag("archive"),
                              arguments.flag("follow-link")};
  const bool out = !request.from.container.empty(), in = !request.to.container.empty();
  if (out && in) throw UsageError("copying between containers is not supported");
  if (!out && !in) throw UsageError("must specify at least one container source");
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(out ? request.from.container : request.to.container);
  const std::uint64_t bytes =
      engine::copy(places, found, request, [](const std::string& line) { print_error("WARNING: " + line); });
  const bool stream = request.from.is_stream() || request.to.is_stream();
  const bool quiet = arguments.last("quiet") ? arguments.flag("quiet") : ::isatty(STDERR_FILENO) == 0;
  if (!quiet && !stream) {
    fmt::print(stderr, "Successfully copied {} to {}\n", engine::human_size(bytes), arguments.positional[1]);
  }
  return 0;
}

}  // namespace

const Command kCp{"cp",
                  "cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tsandbox cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
                  "Copy files/folders between a container and the local filesystem",
                  kOptions,
                  run,
                  2,
                  2};

}  // namespace sandbox::cli
