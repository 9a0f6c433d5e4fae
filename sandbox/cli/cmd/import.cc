// `import`: a root file system's tarball as an image of one layer.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/image/image_store.h"

namespace sandbox::cli {
namespace {

int run(const Arguments& arguments) {
  const std::string& path = arguments.positional[0];
  Fd file;
  if (path != "-") file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  const image::Reference name =
      arguments.positional.size() > 1 ? image::parse_reference(arguments.positional[1]) : image::Reference{};
  const Places places = find_places();
  make_places(places);
  print(image::ImageStore(places).import(file ? file.get() : STDIN_FILENO, name) + "\n");
  return 0;
}

}  // namespace

const Command kImport{"import", "import FILE|- [REPOSITORY[:TAG]]", "Import a tarball to create a filesystem image", {},
                      run, 1, 2};

}  // namespace sandbox::cli
