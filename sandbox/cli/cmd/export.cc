// `export`: a container's whole file system as a tarball.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/container_archive.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {{"output", 'o', "string", "Write to a file, instead of STDOUT"}};

int run(const Arguments& arguments) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(arguments.positional[0]);
  const std::string path = arguments.text("output");
  if (path.empty() && ::isatty(STDOUT_FILENO) == 1) {
    throw UsageError("cowardly refusing to save to a terminal. Use the -o flag or redirect");
  }
  Fd file;
  if (!path.empty()) {
    file = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644) | or_throw("creating '{}'", path);
  }
  const auto archive = engine::write_tree(places, found, file ? file.get() : STDOUT_FILENO);
  for (const auto& left : archive.left_out)
    print_error(fmt::format("WARNING: '/{}' has no form in an archive and is left out", left));
  return 0;
}

}  // namespace

const Command kExport{
    "export", "export [OPTIONS] CONTAINER", "Export a container's filesystem as a tar archive", kOptions, run, 1, 1};

}  // namespace sandbox::cli
