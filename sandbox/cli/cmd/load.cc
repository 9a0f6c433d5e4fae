// `load`: images from an archive of `docker save` or an OCI archive.
#include <unistd.h>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"input", 'i', "string", "Read from a tar archive or an OCI layout's directory, instead of STDIN"},
    {"quiet", 'q', nullptr, "Suppress the load output"},
};

int run(const Arguments& arguments) {
  const auto path = arguments.last("input");
  Fd file;
  if (path && *path != "-") {
    file = sys::openat(AT_FDCWD, path->c_str(), O_RDONLY) | or_throw("opening '{}'", *path);
  } else if (::isatty(STDIN_FILENO) != 0) {
    throw UsageError("requested load from stdin, but stdin is empty", "name the archive: sandbox load -i FILE");
  }
  const Places places = find_places();
  make_places(places);
  for (const auto& name : image::ImageStore(places).load(file ? file.get() : STDIN_FILENO)) {
    if (arguments.flag("quiet")) continue;
    print(fmt::format("Loaded image{}: {}\n", is_valid_digest(name) ? " ID" : "", name));
  }
  return 0;
}

}  // namespace

const Command kLoad{"load", "load [OPTIONS]", "Load images from a tar archive or STDIN", kOptions, run, 0, 0};

}  // namespace sandbox::cli
