// `stop`: the stop signal, then SIGKILL.
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/lifecycle.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

constexpr Option kOptions[] = {
    {"signal", 's', "string", "Signal to send to the container"},
    {"time", 't', "int", "Seconds to wait before killing the container (default 10)"},
    {"timeout", '\0', "int", "Seconds to wait before killing the container (default 10)"},
};

int parse_seconds(const std::string& text) {
  int seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw UsageError(fmt::format("invalid argument \"{}\" for \"-t, --time\" flag", text));
  }
  return seconds;
}

void stop(const std::string& name, const Arguments& arguments) {
  const Places places = find_places();
  const auto found = container::ContainerStore(places).find(name);
  const auto word = arguments.last("signal");
  const int seconds = parse_seconds(arguments.text("timeout", arguments.text("time", "10")));
  engine::stop_container(places, found, word ? engine::parse_signal(*word) : found.spec.stop_signal, seconds);
}

int run(const Arguments& arguments) { return for_each_argument(arguments, stop); }

}  // namespace

const Command kStop{"stop", "stop [OPTIONS] CONTAINER [CONTAINER...]", "Stop running containers", kOptions, run, 1};

}  // namespace sandbox::cli
