// `stop`: the stop signal, then SIGKILL.
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/base/signal_name.h"
#include "sandbox/cli/cmd/stop_options.h"
#include "sandbox/engine/lifecycle.h"
#include "sandbox/engine/units.h"

namespace sandbox::cli {
namespace {

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
  stop_as_asked(places, container::ContainerStore(places).find(name), arguments);
}

int run(const Arguments& arguments) { return for_each_argument(arguments, stop); }

}  // namespace

void stop_as_asked(const Places& places, const container::Container& container, const Arguments& arguments) {
  const auto word = arguments.last("signal");
  const auto given = arguments.last("timeout") ? arguments.last("timeout") : arguments.last("time");
  const int seconds = given ? parse_seconds(*given) : container.spec.stop_timeout;
  engine::stop_container(places, container, word ? parse_signal(*word) : container.spec.stop_signal, seconds);
}

const Command kStop{"stop", "stop [OPTIONS] CONTAINER [CONTAINER...]", "Stop running containers", kStopOptions, run, 1};

}  // namespace sandbox::cli
