// `diff`: what a container has changed of its image.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/table.h"
#include "sandbox/engine/changes.h"

namespace sandbox::cli {
namespace {

constexpr const char* kLetters[] = {"C", "A", "D"};

int run(const Arguments& arguments) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(arguments.positional[0]);
  for (const auto& [kind, path] : engine::changes_of(places, found)) {
    print(fmt::format("{} /{}\n", kLetters[static_cast<std::size_t>(kind)], without_controls(path)));
  }
  return 0;
}

}  // namespace

const Command kDiff{"diff", "diff CONTAINER", "Inspect changes to files or directories on a container's filesystem", {}, run, 1, 1};

}  // namespace sandbox::cli
