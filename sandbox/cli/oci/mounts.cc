// oci mounts.
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/runtime/late_mounts.h"

namespace sandbox::cli {
namespace {

int run_mounts(const Arguments& arguments, const OciContext& context) {
  const std::string &action = arguments.positional[0], &id = arguments.positional[1], &file = arguments.positional[2];
  if (action != "add" && action != "remove") throw UsageError(fmt::format("unknown command mounts {}", action));
  const Json mounts = parse_json(read_file(file), file);
  std::vector<std::string> warnings;
  const auto change = action == "add" ? runtime::add_mounts : runtime::remove_mounts;
  change(context.store, id, mounts, file, warnings);
  context.warn(warnings);
  return 0;
}

}  // namespace

constinit const OciCommand kOciMounts = {
    "mounts", "add|remove ID FILE", "Mount a list of mounts in a running container, or unmount it", {}, run_mounts, 3,
    3};

}  // namespace sandbox::cli
