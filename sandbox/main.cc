// Dispatches: the OCI runtime and the overlay by their names, the hidden helpers that this program starts of itself, or
// the client.
#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <exception>
#include <span>
#include <string_view>
#include <vector>

#include "sandbox/base/sealed_program.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/helpers/helpers.h"

namespace {

/// A closed standard stream becomes /dev/null, lest the next file that is opened takes its number and its output.
void open_standard_streams() {
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR);  // takes the lowest free number: this one
  }
}

/// Whether a command of the runtime may be among the words that starts what a container has chosen.
bool may_start_programs(std::span<char* const> words) {
  const auto starts = [](std::string_view word) { return word == "create" || word == "run" || word == "exec"; };
  return std::ranges::any_of(words, starts);
}

/// As mount(8) and engines call it, whose layers may hold whiteouts as files.
int overlay_main(std::span<char* const> words) {
  if (words.size() == 1 && std::string_view(words[0]) == "--version") {
    ::printf("sandbox-overlay: version %s\n", SANDBOX_VERSION);
    return 0;
  }
  char command[] = "overlay", option[] = "-o", whiteouts[] = "whiteout_files";
  std::vector<char*> all{command, option, whiteouts};
  all.insert(all.end(), words.begin(), words.end());
  return sandbox::cli::client_main(all);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  const std::span<char* const> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const std::string_view path = argc > 0 ? argv[0] : "", name = path.substr(path.find_last_of('/') + 1);
  try {
    // Engines take the path of a runtime or of a mount program, and no further words.
    const bool is_runtime = name == "sandbox-runtime";
    if (name == "sandbox-overlay") return overlay_main(words);
    if ((is_runtime || (!words.empty() && std::string_view(words[0]) == "oci")) && may_start_programs(words))
      sandbox::continue_out_of_reach(argv);
    if (is_runtime) return sandbox::cli::oci_main(words);
    if (words.size() >= 2 && std::string_view(words[0]) == "helper") {
      const std::string_view helper = words[1];
      if (helper == "supervisor") return sandbox::helpers::supervisor(words.subspan(2));
      if (helper == "overlay") return sandbox::helpers::overlay(words.subspan(2));
      if (helper == "netstack") return sandbox::helpers::netstack(words.subspan(2));
      if (helper == "network") return sandbox::helpers::network(words.subspan(2));
      if (helper == "owner") return sandbox::helpers::owner(words.subspan(2));
      if (helper == "park") return sandbox::helpers::park(words.subspan(2));
    }
    return sandbox::cli::client_main(words);
  } catch (const std::exception& error) {
    ::fprintf(stderr, "sandbox: %s\n", error.what());
    return 1;
  }
}
