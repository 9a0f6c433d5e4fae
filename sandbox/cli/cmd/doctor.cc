// `doctor`: tries what containers need, in a child of its own, and names reason and remedy.
// Exit status 1 when containers can't run at all (no user namespace, or no way to merge layers).
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/netstack.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/places.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/engine/id_range.h"
#include "sandbox/engine/resources.h"

namespace sandbox::cli {
namespace {

struct Finding {
  std::string rung;
  bool works = false, required = false;
  std::string reason, fix;
};

enum class Stage : int { none, user_namespace, id_map, overlay, fuse_device, fuse_mount };
struct ProbeResult {
  Stage stage = Stage::none;  ///< Where it failed; none: all worked.
  int error = 0;
  netstack::NicRung network;
};

bool write_text(const char* path, std::string_view text) {
  const auto file = sys::openat(AT_FDCWD, path, O_WRONLY);
  return file && sys::write_all(file->get(), text.data(), text.size());
}

ProbeResult failed(Stage stage) { return {stage, errno, {}}; }

ProbeResult enter_user_namespace(int flags) {
  const std::string uid_map = fmt::format("0 {} 1", ::getuid()), gid_map = fmt::format("0 {} 1", ::getgid());
  if (!sys::unshare(CLONE_NEWUSER | flags)) return failed(Stage::user_namespace);
  if (!write_text("/proc/self/setgroups", "deny") || !write_text("/proc/self/uid_map", uid_map) ||
      !write_text("/proc/self/gid_map", gid_map)) {
    return failed(Stage::id_map);
  }
  return {};
}

ProbeResult try_overlay(const std::string& directory) {
  if (const auto entered = enter_user_namespace(CLONE_NEWNS); entered.stage != Stage::none) return entered;
  const std::string data =
      fmt::format("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work,userxattr", directory);
  const auto mounted = sys::mount("overlay", (directory + "/merged").c_str(), "overlay", 0, data.c_str());
  return mounted ? ProbeResult{} : ProbeResult{Stage::overlay, mounted.error().value, {}};
}

ProbeResult try_network(const std::string&) {
  if (const auto entered = enter_user_namespace(CLONE_NEWNET); entered.stage != Stage::none) return entered;
  ProbeResult result;
  result.network = netstack::probe_nic();
  return result;
}

ProbeResult try_fuse(const std::string&) {
  if (const auto entered = enter_user_namespace(CLONE_NEWNS); entered.stage != Stage::none) return entered;
  const auto device = sys::openat(AT_FDCWD, "/dev/fuse", O_RDWR);
  if (!device) return {Stage::fuse_device, device.error().value, {}};
  const std::string data = fmt::format("fd={},rootmode=40000,user_id=0,group_id=0", device->get());
  const auto mounted = sys::mount("sandbox", "/tmp", "fuse", 0, data.c_str());
  return mounted ? ProbeResult{} : ProbeResult{Stage::fuse_mount, mounted.error().value, {}};
}

/// Runs `probe` in a child: what it enters and mounts ends with it.
ProbeResult in_child(ProbeResult (*probe)(const std::string&), const std::string& argument) {
  const auto pipe = sys::pipe() | or_throw("making a pipe");
  const pid_t pid = ::fork();
  if (pid < 0) throw SysError(Errno{errno}, "starting a probe");
  if (pid == 0) {
    const ProbeResult result = probe(argument);
    (void)sys::write_all(pipe.second.get(), &result, sizeof result);
    ::_exit(0);
  }
  ::waitpid(pid, nullptr, 0);
  ProbeResult result{Stage::user_namespace, EIO, {}};
  (void)sys::set_nonblocking(pipe.first.get(), true);
  (void)sys::read(pipe.first.get(), &result, sizeof result);
  return result;
}

Finding judge_namespace(const ProbeResult& result) {
  Finding finding{"user namespaces", true, true, {}, {}};
  if (result.stage != Stage::user_namespace && result.stage != Stage::id_map) return finding;
  finding.works = false;
  finding.reason = Errno{result.error}.message();
  finding.fix = "as root: sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1; on Ubuntu also "
                "kernel.apparmor_restrict_unprivileged_userns=0";
  return finding;
}

/// The best rung of the root file system; the next one takes its place where it doesn't work.
Finding judge_overlay(const ProbeResult& result, const std::string& directory) {
  Finding finding{"root file system: kernel overlayfs (userxattr)", result.stage == Stage::none, false, {}, {}};
  if (finding.works) return finding;
  finding.reason = result.stage == Stage::overlay
                       ? fmt::format("mounting over '{}': {}", directory, Errno{result.error}.message())
                       : std::string("no user namespace");
  finding.fix = "Linux 5.11 or newer and a store on ext4, xfs or btrfs (SANDBOX_STORE_DIR), not on NFS or overlayfs";
  return finding;
}

Finding probe_fuse(bool required) {
  const ProbeResult result = in_child(try_fuse, {});
  Finding finding{"root file system: FUSE (--storage-driver fuse)", result.stage == Stage::none, required, {}, {}};
  if (finding.works) return finding;
  finding.reason = result.stage == Stage::fuse_device
                       ? fmt::format("opening '/dev/fuse': {}", Errno{result.error}.message())
                   : result.stage == Stage::fuse_mount ? fmt::format("mounting: {}", Errno{result.error}.message())
                                                       : std::string("no user namespace");
  finding.fix = "as root: modprobe fuse; chmod 666 /dev/fuse";
  return finding;
}

/// The rungs of the private network, best first; the second is of interest only without the first.
std::vector<Finding> judge_network(const ProbeResult& result) {
  using netstack::NicRung;
  const NicRung& network = result.network;
  const bool namespaces = result.stage == Stage::none;
  Finding tap{"private network (tap)", namespaces && network.kind == NicRung::tap, false, {}, {}};
  if (tap.works) return {tap};
  tap.reason = namespaces ? fmt::format("/dev/net/tun: {}", Errno{network.tap_error}.message()) : "no network namespace";
  tap.fix = namespaces ? netstack::tun_hint(network.tap_error) : "see user namespaces above";
  Finding veth{"private network (veth pair)", namespaces && network.kind == NicRung::veth, false, {}, {}};
  if (!veth.works && namespaces) {
    veth.reason = fmt::format("making a veth pair: {}", Errno{network.veth_error}.message());
    veth.fix = "as root: modprobe veth; without both rungs use --network none or host";
  }
  return {tap, veth};
}

Finding probe_subordinate_ids(const Places& places) {
  const engine::FoundRange range = engine::find_id_range(places);
  return {"range of ids (newuidmap)", range.kept.has_value(), false, range.reason, range.fix};
}

Finding probe_limits() {
  const engine::ResourcesReport report = engine::probe_resources();
  std::string controllers;
  for (const auto& name : report.controllers) controllers += " " + name;
  return {fmt::format("resource limits ({}{}{})", report.rung, controllers.empty() ? "" : ":", controllers),
          report.reason.empty(), false, report.reason, report.fix};
}

int run(const Arguments&) {
  const Places places = find_places();
  make_places(places);
  const std::string directory = fmt::format("{}/doctor-{}", places.data, random_hex(12));
  for (const char* name : {"lower", "upper", "work", "merged"}) make_directories(directory + "/" + name);
  const ProbeResult overlay = in_child(try_overlay, directory);
  remove_tree(directory);
  std::vector<Finding> findings{judge_namespace(overlay), judge_overlay(overlay, places.data),
                                probe_fuse(overlay.stage != Stage::none)};
  for (Finding& rung : judge_network(in_child(try_network, {}))) findings.push_back(std::move(rung));
  findings.push_back(probe_subordinate_ids(places));
  findings.push_back(probe_limits());
  int status = 0;
  for (const Finding& finding : findings) {
    print(fmt::format("{}  {}\n", finding.works ? "[ok]  " : finding.required ? "[FAIL]" : "[no]  ", finding.rung));
    if (!finding.reason.empty()) print(fmt::format("        reason: {}\n        fix: {}\n", finding.reason, finding.fix));
    if (finding.required && !finding.works) status = 1;
  }
  return status;
}

}  // namespace

const Command kDoctor{"doctor", "doctor", "Check what this machine allows", {}, run, 0, 0};

}  // namespace sandbox::cli
