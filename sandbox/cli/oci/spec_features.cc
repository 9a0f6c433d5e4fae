// oci spec, oci features.
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/oci/example_spec.h"
#include "sandbox/runtime/features.h"

namespace sandbox::cli {
namespace {

constexpr Option kSpecOptions[] = {
    {"bundle", 'b', "DIR", "Write it there (default: the working directory)"},
    {"file", 'f', "FILE", "Another name for config.json"},
    {"rootless", '\0', nullptr, "For an ordinary user"},
};

int run_spec(const Arguments& arguments, const OciContext&) {
  std::optional<oci::RootlessIds> ids;
  if (arguments.flag("rootless")) ids = {::geteuid(), ::getegid()};
  const std::string bundle = arguments.text("bundle", ".");
  const std::string name = arguments.text("file", "config.json");
  const std::string path = name.starts_with('/') ? name : bundle + "/" + name;
  const std::string text = oci::example_spec(ids);
  auto file = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
  if (!file && file.error().value == EEXIST) throw Conflict(fmt::format("File {} exists. Remove it first", name));
  const Fd made = std::move(file) | or_throw("creating '{}'", path);
  sys::write_all(made.get(), text.data(), text.size()) | or_throw("writing '{}'", path);
  return 0;
}

int run_features(const Arguments&, const OciContext&) {
  print(runtime::features_document().dump(4) + "\n");
  return 0;
}

}  // namespace

constinit const OciCommand kOciSpec = {"spec", "[OPTIONS]", "Write a config.json to start from", kSpecOptions,
                                       run_spec};
constinit const OciCommand kOciFeatures = {"features", "", "Print what is built in as JSON", {}, run_features};

}  // namespace sandbox::cli
