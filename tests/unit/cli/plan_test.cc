// The decision about a container, as data.
#include "sandbox/engine/plan_container.h"

#include <doctest/doctest.h>

#include <array>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/container/shared_namespaces.h"
#include "sandbox/engine/system_container.h"

namespace sandbox::engine {
namespace {

struct Case {
  image::Image image;
  PlanInput input;

  Case() {
    image.config.digest = "sha256:" + std::string(64, '1');
    image.config_document = Json::parse(R"({"config":{"Env":["PATH=/bin","broken","=x"],"Entrypoint":["/entry"],
      "Cmd":["serve"],"WorkingDir":"/app","StopSignal":"SIGQUIT","Labels":{"a":"b"}}})");
    input.image = &image;
    input.host = {1000, 1001, "host"};
    input.lower = {"/top", "/base"};
    input.id = std::string(64, 'c');
    input.name = "n";
    input.data = "/data";
    input.request.image = "web";
  }
};

const userns::MountOp* mount_at(const container::Spec& spec, const std::string& target) {
  const auto found = std::ranges::find(spec.plan.mounts, target, &userns::MountOp::target);
  return found == spec.plan.mounts.end() ? nullptr : &*found;
}

TEST_CASE("the image's words are the defaults, and broken environment entries are left out") {
  Case c;
  c.input.env = {"EXTRA=1"};
  const auto spec = plan(c.input);
  CHECK(spec.plan.process.argv == std::vector<std::string>{"/entry", "serve"});
  CHECK(spec.plan.process.env == std::vector<std::string>{"PATH=/bin", "HOSTNAME=cccccccccccc", "HOME=/", "EXTRA=1"});
  CHECK(spec.plan.process.cwd == "/app");
  CHECK(spec.stop_signal == 3);
  CHECK(spec.labels.at("a") == "b");
}

TEST_CASE("a command replaces Cmd, and an entrypoint replaces both") {
  Case c;
  c.input.request.command = {"x"};
  CHECK(plan(c.input).plan.process.argv == std::vector<std::string>{"/entry", "x"});
  c.input.request.entrypoint = "sh";
  c.input.request.command = {};
  CHECK(plan(c.input).plan.process.argv == std::vector<std::string>{"sh"});
  c.input.request.entrypoint = "";
  CHECK_THROWS_AS(plan(c.input), UsageError);
}

TEST_CASE("without a range exactly the caller's own id is mapped, to the container's user") {
  Case c;
  c.input.user = {.uid = 33, .gid = 34};
  const auto spec = plan(c.input);
  REQUIRE(spec.plan.identity.uid_map.size() == 1);
  CHECK(spec.plan.identity.uid_map[0].inside == 33);
  CHECK(spec.plan.identity.uid_map[0].outside == 1000);
  CHECK(spec.plan.identity.gid_map[0].inside == 34);
  CHECK(spec.plan.identity.gid_map[0].outside == 1001);
  CHECK(spec.plan.identity.gid_map[0].count == 1);
  CHECK_FALSE(spec.plan.identity.nested);
  CHECK_FALSE(spec.plan.process.groups.has_value());
}

Sharing sharing_with(const HostIdentity& host, std::map<std::string, Sharing::Namespace> namespaces) {
  Sharing sharing;
  sharing.namespaces = std::move(namespaces);
  sharing.namespaces["user"] = {"ID"};
  sharing.identity = plan_identity({}, host, "", "");
  sharing.name = "other";
  return sharing;
}

TEST_CASE("what is shared with another container counts as one's own until the start, but for the host's") {
  Case c;
  c.input.request.network = "container:other";
  c.input.request.pid = c.input.request.ipc = "container:third";
  c.input.sharing = sharing_with(c.input.host, {{"network", {"ID"}}, {"pid", {"third", true}}, {"ipc", {"third"}}});
  c.input.sharing.hostname = "site";
  c.input.sharing.network_directory = "/data/containers/ID";
  check_request(c.input.request);
  const auto spec = plan(c.input);
  using Shared = std::map<std::string, std::string>;
  CHECK(spec.shared_namespaces == Shared{{"network", "ID"}, {"pid", "third"}, {"ipc", "third"}, {"user", "ID"}});
  CHECK(spec.plan.namespaces.network);
  CHECK(spec.plan.namespaces.ipc);
  CHECK_FALSE(spec.plan.namespaces.pid);
  CHECK_FALSE(spec.plan.network.has_value());
  CHECK(spec.plan.hostname == "site");
  CHECK(mount_at(spec, "/etc/hosts")->source == "/data/containers/ID/hosts");
  CHECK(mount_at(spec, "/proc")->kind == userns::MountKind::bind);
  CHECK(mount_at(spec, "/dev/shm")->source == container::shared_memory_name);
  c.input.request.sysctls = {"net.ipv4.ip_forward=1"};
  CHECK_THROWS_AS(plan(c.input), UsageError);
}

TEST_CASE("who shares a user namespace has an id there, or plays to") {
  Case c;
  const HostIdentity& host = c.input.host;
  Sharing sharing = sharing_with(host, {});
  c.input.host.notifies = true;
  CHECK(shared_identity(sharing, {}, host, "").emulation == userns::IdEmulation::record);
  CHECK(shared_identity(sharing, {.uid = 33}, host, "").emulation == userns::IdEmulation::record);
  CHECK_THROWS_AS(shared_identity(sharing, {.uid = 33}, host, "off"), UsageError);
  sharing.identity = plan_identity({.uid = 33}, host, "", "");
  CHECK(shared_identity(sharing, {.uid = 33}, host, "").emulation == userns::IdEmulation::off);
  CHECK_THROWS_AS(shared_identity(sharing, {}, host, ""), UsageError);
}

TEST_CASE("a user namespace that is shared has the mode that it was made with") {
  Case c;
  HostIdentity& host = c.input.host;
  for (const bool has_range : {false, true}) {
    if (has_range) host.range_uids = host.range_gids = {{0, 1000, 1}, {1, 100000, 65536}};
    Sharing sharing = sharing_with(host, {});
    CHECK(shared_user_mode(sharing, "", host).empty());
    CHECK(shared_user_mode(sharing, "host", host).empty());
    CHECK(shared_user_mode(sharing, "container:other", host).empty());
    CHECK_THROWS_AS(shared_user_mode(sharing, "keep-id", host), UsageError);
    CHECK_THROWS_AS(shared_user_mode(sharing, "nonesuch", host), UsageError);
    sharing.identity = plan_identity({.uid = 1000, .gid = 1001}, host, "keep-id", "");
    CHECK(shared_user_mode(sharing, "", host) == "keep-id");
    CHECK(shared_user_mode(sharing, "keep-id", host) == "keep-id");
    CHECK_THROWS_AS(shared_user_mode(sharing, "private", host), UsageError);
  }
}

TEST_CASE("owners and ids are emulated for root where there is one id, and not where that makes no sense") {
  using userns::IdEmulation;
  Case c;
  CHECK(plan(c.input).plan.identity.emulation == IdEmulation::off);  // a kernel that can't
  c.input.host.notifies = true;
  CHECK(plan(c.input).plan.identity.emulation == IdEmulation::record);
  CHECK(container::to_json(plan(c.input).plan)["identity"]["emulation"] == "record");
  c.input.request.id_emulation = "off";
  CHECK(plan(c.input).plan.identity.emulation == IdEmulation::off);
  c.input.request.id_emulation = "some";
  CHECK_THROWS_AS(plan(c.input), UsageError);
  c.input.request.id_emulation = "full";
  CHECK(plan(c.input).plan.identity.emulation == IdEmulation::full);
  c.input.request.id_emulation = "record";
  CHECK(plan(c.input).plan.identity.emulation == IdEmulation::record);
  c.input.host.notifies = false;
  CHECK_THROWS_AS(plan(c.input), Unsupported);
  c.input.host.notifies = true;
  c.input.user.uid = 33;
  CHECK_THROWS_AS(plan(c.input), UsageError);
  c.input.user.uid = 0;
  c.input.host.range_uids = c.input.host.range_gids = {{0, 1000, 1}, {1, 100000, 65536}};
  CHECK_THROWS_AS(plan(c.input), UsageError);
  c.input.request.id_emulation.clear();
  CHECK(plan(c.input).plan.identity.emulation == IdEmulation::off);
}

using Map = std::vector<std::array<std::uint32_t, 3>>;

Map lines_of(const std::vector<userns::IdMapping>& map) {
  Map lines;
  for (const auto& line : map) lines.push_back({line.inside, line.outside, line.count});
  return lines;
}

TEST_CASE("with a range the container has all its ids, and the user's groups of the image") {
  Case c;
  c.input.host.range_uids = c.input.host.range_gids = {{0, 1000, 1}, {1, 100000, 65536}};
  c.input.user = {.uid = 33, .gid = 34, .groups = {4, 20}};
  const auto spec = plan(c.input);
  CHECK(spec.plan.identity.nested);
  CHECK(lines_of(spec.plan.identity.uid_map) == Map{{0, 0, 1}, {1, 1, 65536}});
  CHECK(spec.plan.process.groups == std::vector<std::uint32_t>{4, 20});
  c.input.user.uid = 65537;
  CHECK_THROWS_AS(plan(c.input), UsageError);
}

TEST_CASE("keep-id exchanges root and the caller, and loses no id") {
  Case c;
  c.input.host.range_uids = c.input.host.range_gids = {{0, 1000, 1}, {1, 100000, 65536}};
  c.input.request.userns = "keep-id";
  auto identity = plan(c.input).plan.identity;
  CHECK(lines_of(identity.uid_map) == Map{{0, 1000, 1}, {1000, 0, 1}, {1, 1, 999}, {1001, 1001, 64536}});
  c.input.host.uid = 1;
  CHECK(lines_of(plan(c.input).plan.identity.uid_map) == Map{{0, 1, 1}, {1, 0, 1}, {2, 2, 65535}});
  c.input.host.uid = 70000;
  CHECK(lines_of(plan(c.input).plan.identity.uid_map) == Map{{0, 1, 65536}, {70000, 0, 1}});
  c.input.request.userns = "auto";
  CHECK_THROWS_AS(plan(c.input), UsageError);
}

TEST_CASE("with keep-id our FUSE server shows the owners, where nothing else is asked for and there is FUSE") {
  Case c;
  c.input.host.range_uids = c.input.host.range_gids = {{0, 1000, 1}, {1, 100000, 65536}};
  c.input.request.userns = "keep-id";
  CHECK(plan(c.input).plan.root.driver == userns::RootDriver::automatic);
  c.input.host.has_fuse = true;
  CHECK(plan(c.input).plan.root.driver == userns::RootDriver::fuse);
  c.input.request.storage_driver = "overlay";
  CHECK(plan(c.input).plan.root.driver == userns::RootDriver::overlay);
  c.input.request.storage_driver = "";
  c.input.host.range_uids = c.input.host.range_gids = {};
  CHECK(plan(c.input).plan.root.driver == userns::RootDriver::automatic);
}

TEST_CASE("set-user-ID programs of the image work only where new privileges are allowed") {
  Case c;
  CHECK(plan(c.input).plan.root.no_suid);
  c.input.request.security_options = {"no-new-privileges=false"};
  CHECK_FALSE(plan(c.input).plan.root.no_suid);
}

TEST_CASE("the plan as JSON holds the layers, the writable layer and the masked paths") {
  Case c;
  const Json document = container::to_json(plan(c.input).plan);
  const std::string text = document.dump();
  CHECK(text.find("/data/containers/" + c.input.id + "/upper") != std::string::npos);
  CHECK(text.find("\"/top\",\"/base\"") != std::string::npos);
  CHECK(text.find("/proc/kcore") != std::string::npos);
  CHECK(text.find("/proc/sysrq-trigger") != std::string::npos);
}

TEST_CASE("the network decides about the interface and about /sys") {
  Case c;
  CHECK(plan(c.input).plan.network.has_value());
  c.input.request.network = "none";
  auto spec = plan(c.input);
  CHECK_FALSE(spec.plan.network.has_value());
  CHECK(spec.plan.namespaces.network);
  CHECK(mount_at(spec, "/sys")->kind == userns::MountKind::sysfs);
  c.input.request.network = "host";
  spec = plan(c.input);
  CHECK_FALSE(spec.plan.namespaces.network);
  CHECK(mount_at(spec, "/sys")->kind == userns::MountKind::bind);
  CHECK(mount_at(spec, "/sys")->read_only);
  CHECK(spec.plan.hostname == "host");
}

TEST_CASE("a mount of the user replaces a default one at the same place, and parents come first") {
  Case c;
  c.input.request.tmpfs = {"/a/b/c", "/a"};
  c.input.request.volumes = {"/srv/hosts:/etc/hosts"};
  const auto spec = plan(c.input);
  CHECK(mount_at(spec, "/etc/hosts")->source == "/srv/hosts");
  CHECK(mount_at(spec, "/a") < mount_at(spec, "/a/b/c"));
  CHECK(mount_at(spec, "/dev/shm")->data == "mode=1777,size=67108864");
  c.input.request.mounts = {"type=tmpfs,dst=/a"};
  CHECK_THROWS_AS(plan(c.input), UsageError);
}

TEST_CASE("a root directory is used as it is, or as a lower layer") {
  Case c;
  c.input.image = nullptr;
  c.input.lower.clear();
  c.input.request.rootfs = "/roots/a";
  c.input.request.command = {"sh"};
  CHECK(plan(c.input).plan.root.directory == "/roots/a");
  CHECK(plan(c.input).plan.root.upper.empty());
  CHECK(parse_rootfs("/roots/a:O").overlay);
  CHECK(parse_rootfs("/roots/a:O").directory == "/roots/a");
}

TEST_CASE("a system gets its part of the cgroups, /run and /tmp in memory, and is asked to halt") {
  Case c;
  c.input.boots_system = true;
  c.input.env = {"container=mine"};
  c.image.config_document["config"].erase("StopSignal");
  auto spec = plan(c.input);
  CHECK_FALSE(mount_at(spec, "/sys/fs/cgroup")->read_only);
  CHECK(mount_at(spec, "/run")->copy_up);
  CHECK(mount_at(spec, "/tmp")->data == "mode=1777");
  CHECK(spec.stop_signal == 37);
  const auto has = [&](const std::string& word) { return std::ranges::count(spec.plan.process.env, word) == 1; };
  CHECK(has("container=mine"));
  CHECK(has("container_uuid=cccccccc-cccc-cccc-cccc-cccccccccccc"));
  c.input.request.volumes = {"/srv:/run"};
  c.input.request.stop_signal = "TERM";
  spec = plan(c.input);
  CHECK(mount_at(spec, "/run")->source == "/srv");
  CHECK(spec.stop_signal == 15);
  c.input.boots_system = false;
  CHECK(mount_at(plan(c.input), "/sys/fs/cgroup")->read_only);
}

TEST_CASE("what boots a system is known by its path, or said") {
  CHECK(is_init("/sbin/init"));
  CHECK(is_init("/lib/systemd/systemd"));
  CHECK_FALSE(is_init("/bin/init"));
  CHECK(parse_system_mode("") == SystemMode::automatic);
  CHECK(parse_system_mode("always") == SystemMode::always);
  CHECK(parse_system_mode("false") == SystemMode::never);
  CHECK_THROWS_AS(parse_system_mode("perhaps"), UsageError);
  RunRequest request;
  request.systemd = "always";
  request.cgroupns = "host";
  CHECK_THROWS_AS(check_request(request), UsageError);
}

TEST_CASE("published ports need the private network") {
  RunRequest request;
  request.network = "none";
  request.publish = {"80:80"};
  CHECK_THROWS_AS(check_request(request), UsageError);
  request.network = "host";
  CHECK_NOTHROW(check_request(request));
  request.network = "container:other";
  CHECK_THROWS_AS(check_request(request), UsageError);
  request.network = "none";
  request.publish.clear();
  CHECK_NOTHROW(check_request(request));
  request.limits = "some";
  CHECK_THROWS_AS(check_request(request), UsageError);
}

}  // namespace
}  // namespace sandbox::engine
