// The ladders of `doctor`: for each facility the rung that this machine allows, why no better one, and the remedy.
// Pure; any process.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sandbox/engine/host_facts.h"

namespace sandbox::engine {

struct FailedRung {
  std::string name, reason, fix;
};

struct Ladder {
  std::string facility;
  std::string rung;                ///< In use; empty: none works.
  std::vector<FailedRung> better;  ///< Those above it, best first.
  std::string otherwise;           ///< What happens without any rung.
  bool needed = true;              ///< Without any rung a plain `run` fails.
  bool usable() const { return !rung.empty() || !needed; }
};

std::vector<Ladder> judge_ladders(const HostFacts& facts);

/// A line per ladder, "[ok]", "[low]" (a better rung exists), "[no]" (none, and none needed) or "[FAIL]"; below it the
/// reason and the fix of each better rung.
std::string render_ladders(std::span<const Ladder> ladders);

}  // namespace sandbox::engine
