// `commit`: a container's changes as a new image.
#include "sandbox/engine/commit.h"

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"author", 'a', "string", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"},
    {"change", 'c', "list", "Apply Dockerfile instruction to the created image"},
    {"message", 'm', "string", "Commit message"},
    {"no-pause", '\0', nullptr, "Disable pausing container during commit"},
    {"pause", 'p', nullptr, "Pause container during commit (default true)"},
};

int run(const Arguments& arguments) {
  const Places places = find_places();
  engine::CommitRequest request{.author = arguments.text("author"),
                                .message = arguments.text("message"),
                                .changes = arguments.all("change"),
                                .pause = !arguments.flag("no-pause"),
                                .name = {}};
  if (arguments.last("pause")) request.pause = arguments.flag("pause");
  if (arguments.positional.size() > 1) request.name = image::parse_reference(arguments.positional[1]);
  const auto found = container::ContainerStore(places).find(arguments.positional[0]);
  const auto warn = [](const std::string& line) { print_error("WARNING: " + line); };
  print(engine::commit(places, found, request, warn) + "\n");
  return 0;
}

}  // namespace

const Command kCommit{"commit",
                      "commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
                      "Create a new image from a container's changes",
                      kOptions,
                      run,
                      1,
                      2};

}  // namespace sandbox::cli
