// `diff`: what a container has changed of its image.
#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/format/listing.h"
#include "sandbox/engine/changes.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"format", '\0', "string", "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"},
};

constexpr const char* kLetters[] = {"C", "A", "D"};

constexpr Column<overlay::Change> kColumns[] = {
    {"Type", "CHANGE TYPE",
     [](const overlay::Change& change) { return std::string(kLetters[static_cast<std::size_t>(change.kind)]); }},
    {"Path", "PATH", [](const overlay::Change& change) { return "/" + change.path; }},
};
constexpr Listing<overlay::Change> kListing{"*container.diffContext", kColumns};

int run(const Arguments& arguments) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(arguments.positional[0]);
  const std::string format = arguments.text("format");
  print(render_listing(kListing,
                       format.empty() ? "{{.Type}} {{.Path}}" : chosen_format({format, false, "{{.Type}}\t{{.Path}}"}),
                       engine::changes_of(places, found)));
  return 0;
}

}  // namespace

const Command kDiff{"diff",
                    "diff [OPTIONS] CONTAINER",
                    "Inspect changes to files or directories on a container's filesystem",
                    kOptions,
                    run,
                    1,
                    1};

}  // namespace sandbox::cli
