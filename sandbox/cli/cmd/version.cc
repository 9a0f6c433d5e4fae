// `version`: touches nothing.
#include <sys/utsname.h>

#include "sandbox/cli/command.h"
#include "sandbox/cli/format/document.h"
#include "sandbox/image/layout.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {{"format", 'f', "string", "Format output: 'json', or a Go template"}};

int run(const Arguments& arguments) {
  if (!arguments.last("format")) {
    print("sandbox version " SANDBOX_VERSION "\n");
    return 0;
  }
  utsname host{};
  ::uname(&host);
  // Scripts ask for either half.
  const OrderedJson part = {{"Version", SANDBOX_VERSION},
                            {"Os", "linux"},
                            {"Arch", image::host_architecture()},
                            {"KernelVersion", host.release}};
  print(render_document({{"Client", part}, {"Server", part}}, arguments.text("format")));
  return 0;
}

}  // namespace

const Command kVersion{"version", "version [OPTIONS]", "Show the version", kOptions, run, 0, 0};

}  // namespace sandbox::cli
