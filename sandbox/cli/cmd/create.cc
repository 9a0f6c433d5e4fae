// `create`: makes a container without starting it.
#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/run_options.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/profile_arguments.h"
#include "sandbox/engine/create.h"

namespace sandbox::cli {
namespace {

int run(const Arguments& given) {
  Stopwatch watch;
  const Arguments arguments = with_profile(given, kRunOptions, "create");
  if (arguments.text("preserve-fds", "0") != "0") {
    throw Unsupported("--preserve-fds is not possible: a container that is started later has nobody's descriptors",
                      "use 'run', or 'exec' in a container that runs");
  }
  const engine::RunRequest request = run_request(arguments, "create");
  const Places places = find_places();
  make_places(places);
  watch.lap("places");
  const engine::Decision decision = engine::decide(places, request, arguments.flag("quiet") ? silence : notice, watch);
  print(engine::create_container(places, request, decision, watch).spec.id + "\n");
  if (request.timings) print_timings(watch.text("client"));
  return 0;
}

}  // namespace

const Command kCreate{"create", "create [OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", kRunOptions, run,
                      0, -1, false, 1, kRefusedRunOptions};

}  // namespace sandbox::cli
