// See ladders.h.
#include "sandbox/engine/ladders.h"

#include <errno.h>
#include <fmt/ranges.h>

#include "netstack/netstack.h"

namespace sandbox::engine {
namespace {

constexpr const char* kSeeNamespaces = "see user namespaces";

std::string namespace_fix(const HostFacts& facts) {
  std::vector<std::string> fixes;
  if (facts.max_user_namespaces == 0) fixes.emplace_back("sysctl -w user.max_user_namespaces=15000");
  if (facts.unprivileged_userns_clone == 0) fixes.emplace_back("sysctl -w kernel.unprivileged_userns_clone=1");
  if (facts.apparmor_restrict_unprivileged_userns.value_or(0) != 0) {
    // apparmor.d(5), "userns"; the profile leaves everything else as it is.
    fixes.push_back(
        fmt::format("printf 'abi <abi/4.0>,\\nprofile sandbox {} flags=(unconfined) {{ userns, }}\\n' "
                    ">/etc/apparmor.d/sandbox && apparmor_parser -r /etc/apparmor.d/sandbox",
                    facts.executable));
  }
  if (fixes.empty()) {
    return "have whatever this runs in (a service, or a container: --security-opt seccomp=unconfined) permit "
           "unshare(CLONE_NEWUSER)";
  }
  return fmt::format("as root: {}", fmt::join(fixes, "; "));
}

Ladder judge_namespaces(const HostFacts& facts) {
  Ladder ladder{"user namespaces", "one's own", {}, "no container can run", true};
  if (facts.user_namespace.works()) return ladder;
  ladder.rung.clear();
  ladder.better.push_back({"one's own", facts.user_namespace.reason, namespace_fix(facts)});
  return ladder;
}

Ladder judge_identities(const HostFacts& facts) {
  Ladder ladder{"identities", fmt::format("a range of {} ids", facts.ids), {}, {}, true};
  if (facts.range_reason.empty()) return ladder;
  ladder.rung = facts.notifies ? "one id, the caller's; owners are recorded" : "one id, the caller's";
  ladder.better.push_back({"a range of ids", facts.range_reason, facts.range_fix});
  return ladder;
}

std::string overlay_fix(const HostFacts& facts) {
  switch (facts.overlay.error) {
    case ENODEV:
      return "as root: modprobe overlay";
    case EPERM:
    case EACCES:
      return "a kernel that lets users mount overlayfs: Linux 5.11 or newer";
    default:
      return "a store on ext4, xfs or btrfs: export SANDBOX_STORE_DIR=DIRECTORY";
  }
}

std::string fuse_fix(const HostFacts& facts) {
  switch (facts.fuse.error) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return "as root: modprobe fuse; ls -l /dev/fuse";
    case EACCES:
      return "as root: chmod 666 /dev/fuse";
    default:
      return "a kernel that lets users mount FUSE: Linux 4.18 or newer";
  }
}

/// Takes the first rung that works, and notes why those above it don't.
struct Candidate {
  std::string name;
  const Trial& trial;
  std::string fix;
};
void climb(Ladder& ladder, const HostFacts& facts, std::span<const Candidate> candidates) {
  for (const Candidate& candidate : candidates) {
    if (candidate.trial.works()) {
      ladder.rung = candidate.name;
      return;
    }
    ladder.better.push_back(
        {candidate.name, candidate.trial.reason, facts.user_namespace.works() ? candidate.fix : kSeeNamespaces});
  }
}

Ladder judge_file_system(const HostFacts& facts) {
  Ladder ladder{"root file system", {}, {}, "no image can run", true};
  const Candidate candidates[] = {{"kernel overlayfs", facts.overlay, overlay_fix(facts)},
                                  {"FUSE", facts.fuse, fuse_fix(facts)}};
  climb(ladder, facts, candidates);
  return ladder;
}

Ladder judge_processes(const HostFacts& facts) {
  Ladder ladder{"processes", {}, {}, "use --pid host", true};
  const Candidate candidates[] = {
      {"its own /proc", facts.proc,
       "what this runs in, a container, masks parts of its /proc: start that one with --security-opt "
       "systempaths=unconfined"}};
  climb(ladder, facts, candidates);
  return ladder;
}

Ladder judge_network(const HostFacts& facts) {
  Ladder ladder{"private network", {}, {}, "use --network none or --network host", true};
  const Candidate candidates[] = {{"tap", facts.tap, netstack::tun_hint(facts.tap.error)},
                                  {"veth pair", facts.veth, "as root: modprobe veth"}};
  climb(ladder, facts, candidates);
  return ladder;
}

Ladder judge_resources(const HostFacts& facts) {
  const ResourcesReport& found = facts.resources;
  Ladder ladder{"resource limits", {}, {}, "options that set a limit are refused", false};
  if (!found.controllers.empty()) ladder.rung = fmt::format("{} ({})", found.rung, fmt::join(found.controllers, " "));
  if (!found.reason.empty()) ladder.better.push_back({"all limits", found.reason, found.fix});
  return ladder;
}

Ladder judge_runtime(const HostFacts& facts) {
  Ladder ladder{"runtime directory", facts.runtime, {}, {}, true};
  if (facts.runtime_chosen || facts.runtime == facts.session_runtime.value_or("") + "/sandbox") return ladder;
  ladder.better.push_back(
      {"the session's",
       facts.session_runtime
           ? fmt::format("XDG_RUNTIME_DIR '{}' is not a private directory of yours", *facts.session_runtime)
           : "XDG_RUNTIME_DIR is not set",
       "log in by ssh or on the console rather than by su, or set XDG_RUNTIME_DIR to a directory of yours with mode "
       "0700"});
  return ladder;
}

const char* mark_of(const Ladder& ladder) {
  if (!ladder.rung.empty()) return ladder.better.empty() ? "[ok]  " : "[low] ";
  return ladder.needed ? "[FAIL]" : "[no]  ";
}

}  // namespace

std::vector<Ladder> judge_ladders(const HostFacts& facts) {
  return {judge_namespaces(facts), judge_identities(facts), judge_file_system(facts), judge_processes(facts),
          judge_network(facts),    judge_resources(facts),  judge_runtime(facts)};
}

std::string render_ladders(std::span<const Ladder> ladders) {
  std::string text;
  for (const Ladder& ladder : ladders) {
    text += fmt::format("{} {}: {}\n", mark_of(ladder), ladder.facility,
                        ladder.rung.empty() ? "none; " + ladder.otherwise : ladder.rung);
    for (const FailedRung& rung : ladder.better) {
      text += fmt::format("         not {}: {}\n", rung.name, rung.reason);
      if (!rung.fix.empty()) text += fmt::format("         fix: {}\n", rung.fix);
    }
  }
  return text;
}

}  // namespace sandbox::engine
