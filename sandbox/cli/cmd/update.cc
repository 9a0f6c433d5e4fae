// `update`: other limits, another restart policy.
#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/run_options.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/update.h"

namespace sandbox::cli {
namespace {

constexpr RefusedOption kRefusedOptions[] = {
    {"cpu-rt-period", kRealtime},
    {"cpu-rt-runtime", kRealtime},
    {"kernel-memory", kNoKernelLimit},
};
constexpr Option kOptions[] = {
    {"blkio-weight", '\0', "uint16", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)"},
    {"cpu-period", '\0', "int", "Limit CPU CFS (Completely Fair Scheduler) period"},
    {"cpu-quota", '\0', "int", "Limit CPU CFS (Completely Fair Scheduler) quota"},
    {"cpu-shares", 'c', "int", "CPU shares (relative weight)"},
    {"cpus", '\0', "decimal", "Number of CPUs"},
    {"cpuset-cpus", '\0', "string", "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", '\0', "string", "MEMs in which to allow execution (0-3, 0,1)"},
    {"memory", 'm', "bytes", "Memory limit"},
    {"memory-reservation", '\0', "bytes", "Memory soft limit"},
    {"memory-swap", '\0', "bytes", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"},
    {"pids-limit", '\0', "int", "Tune container pids limit (set -1 for unlimited)"},
    {"restart", '\0', "string", "Restart policy to apply when a container exits"},
};

engine::RunRequest request_of(const Arguments& arguments) {
  engine::RunRequest request;
  read_limits(arguments, request);
  request.restart = arguments.text("restart");
  return request;
}

void update(const std::string& name, const Arguments& arguments) {
  engine::update_container(find_places(), name, request_of(arguments));
}

int run(const Arguments& arguments) {
  for (const Option& option : kOptions) {
    if (arguments.last(option.name)) return for_each_argument(arguments, update);
  }
  throw UsageError("you must provide one or more flags when using this command");
}

}  // namespace

const Command kUpdate{"update", "update [OPTIONS] CONTAINER [CONTAINER...]",
                      "Update configuration of one or more containers", kOptions, run, 1, -1, true, 1, kRefusedOptions};

}  // namespace sandbox::cli
