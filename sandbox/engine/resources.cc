// See resources.h.
#include "sandbox/engine/resources.h"

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/process.h"
#include "sandbox/cgroup/container_cgroup.h"
#include "sandbox/cgroup/survey.h"

namespace sandbox::engine {
namespace {

constexpr cgroup::Limits kProbe{.memory = 64U << 20, .nano_cpus = 1'000'000'000, .pids = 64};

const char* name_of(cgroup::Rung rung) {
  switch (rung) {
    case cgroup::Rung::scope:
      return "systemd user scope";
    case cgroup::Rung::delegated:
      return "delegated cgroup";
    case cgroup::Rung::none:
      break;
  }
  return "none";
}

/// What is wrong with a cgroup that has limits; empty when nothing is.
std::string try_limits() {
  const auto made = cgroup::establish("doctor-" + random_hex(12), kProbe, true, cgroup::Own::welcome,
                                      [](const std::string&) {});
  return made.warnings.empty() ? "" : made.warnings.front();
}

}  // namespace

ResourcesReport survey_resources() {
  const cgroup::Surroundings found = cgroup::survey();
  const cgroup::Choice choice = cgroup::choose(found, cgroup::plan_settings(kProbe));
  ResourcesReport report{name_of(choice.rung), {}, choice.reason, choice.hint};
  if (choice.rung == cgroup::Rung::scope) report.controllers = found.manager_controllers;
  if (choice.rung == cgroup::Rung::delegated) report.controllers = found.controllers;
  return report;
}

ResourcesReport probe_resources() {
  ResourcesReport report = survey_resources();
  if (!report.reason.empty()) return report;
  try {
    // In a child, since the process itself may be moved into a scope, which ends with it.
    report.reason = ask_child(try_limits);
  } catch (const Error& error) {
    report.reason = error.what();
  }
  if (!report.reason.empty()) report.fix = "see the log of the user's systemd: journalctl --user -e";
  return report;
}

}  // namespace sandbox::engine
