// `doctor`: which rung of each ladder this machine allows, and how to get onto a better one. Exit status 1 when a plain
// `run` can't work.
#include <algorithm>

#include "sandbox/cli/command.h"
#include "sandbox/engine/ladders.h"

namespace sandbox::cli {
namespace {

int run(const Arguments&) {
  const Places places = find_places();
  make_places(places);
  const auto ladders = engine::judge_ladders(engine::find_host_facts(places));
  print(engine::render_ladders(ladders));
  return std::ranges::all_of(ladders, &engine::Ladder::usable) ? 0 : 1;
}

}  // namespace

const Command kDoctor{"doctor", "doctor", "Check what this machine allows", {}, run, 0, 0};

}  // namespace sandbox::cli
