// `import`: a root file system's tarball as an image of one layer.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"
#include "sandbox/build/remote_source.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/config_changes.h"
#include "sandbox/engine/remote_files.h"
#include "sandbox/image/layout.h"
#include "sandbox/image/registry_manifest.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"change", 'c', "list", "Apply Dockerfile instruction to the created image"},
    {"message", 'm', "string", "Set commit message for imported image"},
    {"platform", '\0', "string", "Set platform if it is not this machine's"},
};

int run(const Arguments& arguments) {
  const std::string& source = arguments.positional[0];
  const image::Reference name =
      arguments.positional.size() > 1 ? image::parse_reference(arguments.positional[1]) : image::Reference{};
  image::ImportOptions options{.comment = arguments.text("message", "Imported from " + source),
                               .platform = arguments.text("platform")};
  if (!options.platform.empty()) (void)image::parse_platform(options.platform);  // before anything is read
  engine::apply_changes(options.config, arguments.all("change"));
  const Places places = find_places();
  make_places(places);
  image::ImageStore store(places);
  const image::Staged fetched = store.stage();
  const bool remote = build::is_http_url(source);
  if (remote) (void)engine::download(source, fetched.path());
  const std::string& path = remote ? fetched.path() : source;
  Fd file;
  if (path != "-") file = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY) | or_throw("opening '{}'", path);
  print(store.import(file ? file.get() : STDIN_FILENO, name, options) + "\n");
  return 0;
}

}  // namespace

const Command kImport{"import",
                      "import [OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]",
                      "Import the contents from a tarball to create a filesystem image",
                      kOptions,
                      run,
                      1,
                      2};

}  // namespace sandbox::cli
