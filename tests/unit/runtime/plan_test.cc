// The decision about a container, as data.
#include "sandbox/runtime/plan.h"

#include <doctest/doctest.h>
#include <linux/mount.h>

#include <algorithm>

#include "profiles/capabilities.h"
#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::runtime;
using userns::MountKind;
using userns::NamespaceKind;

namespace {

struct Case {
  Json document = Json::parse(R"({"ociVersion":"1.0.0","root":{"path":"rootfs"},
    "process":{"args":["sh"],"cwd":"/"},"linux":{"namespaces":[{"type":"mount"},{"type":"pid"}]}})");
  Caller caller{.uid = 1000, .gid = 1001, .capabilities = 0, .gid_map = {{0, 0, UINT32_MAX}}};

  oci::RuntimeSpec spec() const { return oci::parse_runtime_spec(document, "config.json"); }
  Plan plan(const PlanOptions& options = {}) const { return plan_container(spec(), "/bundle", caller, options); }
  std::string failure() const {
    try {
      plan();
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  void as_root() { caller = {.capabilities = profiles::all_capabilities(), .gid_map = {{0, 0, UINT32_MAX}}}; }
  void add_mount(const char* text) { document["mounts"].push_back(Json::parse(text)); }
  void add_namespace(const char* text) { document["linux"]["namespaces"].push_back(Json::parse(text)); }
};

}  // namespace

TEST_CASE("an ordinary user gets a user namespace, whether it was asked for or not") {
  Case c;
  const Plan plan = c.plan();
  CHECK(plan.launch.namespaces.user);
  CHECK_FALSE(plan.launch.namespaces.network);
  CHECK(plan.launch.identity.uid_map == std::vector<userns::IdMapping>{{0, 1000, 1}});
  CHECK(plan.launch.identity.gid_map == std::vector<userns::IdMapping>{{0, 1001, 1}});
  CHECK_FALSE(plan.launch.process.groups.has_value());
  CHECK(plan.launch.process.detached);
}

TEST_CASE("without mappings the user's ranges follow its own id") {
  Case c;
  c.caller.ids = {{{100000, 65536}}, {{200000, 65536}}};
  const Plan plan = c.plan();
  CHECK(plan.launch.identity.uid_map == std::vector<userns::IdMapping>{{0, 1000, 1}, {1, 100000, 65536}});
  CHECK(plan.launch.process.groups.has_value());
}

TEST_CASE("of additional groups a user without a range can have its own again, and no other") {
  Case c;
  c.document["process"]["user"]["additionalGids"] = {0};
  CHECK_FALSE(c.plan().launch.process.groups.has_value());
  c.document["process"]["user"]["additionalGids"] = {0, 5};
  CHECK(c.failure() == "cannot set any additional groups in a rootless container");
}

TEST_CASE("supplementary groups stay the caller's where Podman's annotation says so, with a range, too") {
  Case c;
  c.caller.ids = {{{100000, 65536}}, {{200000, 65536}}};
  c.document["annotations"] = {{"run.oci.keep_original_groups", "1"}};
  CHECK(keeps_groups(c.spec().annotations));
  CHECK_FALSE(c.plan({.keeps_groups = true}).launch.process.groups.has_value());
  c.document["annotations"] = {{"run.oci.keep_original_groups", "0"}};
  CHECK_FALSE(keeps_groups(c.spec().annotations));
}

TEST_CASE("root stays in its user namespace unless a new one is asked for, which needs mappings") {
  Case c;
  c.as_root();
  CHECK_FALSE(c.plan().launch.namespaces.user);
  c.add_namespace(R"({"type":"user"})");
  CHECK(c.failure() == "user namespaces enabled, but no mappings found");
  c.document["linux"]["uidMappings"] = c.document["linux"]["gidMappings"] =
      Json::parse(R"([{"containerID":0,"hostID":100000,"size":10}])");
  CHECK(c.plan().launch.identity.nested);
}

TEST_CASE("namespaces by path are joined, and joining a user namespace makes none") {
  Case c;
  c.add_namespace(R"({"type":"network","path":"/run/netns/x"})");
  c.add_namespace(R"({"type":"user","path":"/proc/1/ns/user"})");
  const Plan plan = c.plan();
  CHECK_FALSE(plan.launch.namespaces.user);
  CHECK_FALSE(plan.launch.namespaces.network);
  REQUIRE(plan.launch.namespaces.joined.size() == 2);
  CHECK(plan.launch.namespaces.joined[0].kind == NamespaceKind::network);
}

TEST_CASE("a bind mount's other ids are the launching process's, those of a new file system the container's") {
  Case c;
  c.caller.ids = {{{100000, 65536}}, {{200000, 65536}}};
  const char* maps =
      R"("uidMappings":[{"containerID":7,"hostID":1000,"size":1},{"containerID":8,"hostID":100000,"size":9}],
      "gidMappings":[{"containerID":0,"hostID":200005,"size":3}])";
  c.add_mount(fmt::format(R"({{"destination":"/a","source":"/x","options":["bind","ridmap"],{}}})", maps).c_str());
  c.add_mount(fmt::format(R"({{"destination":"/b","type":"tmpfs",{}}})", maps).c_str());
  c.add_mount(R"({"destination":"/c","source":"/x","options":["bind","idmap"]})");
  using Map = std::vector<userns::IdMapping>;
  const auto mounts = c.plan().launch.mounts;
  REQUIRE(mounts[0].ids);
  CHECK(mounts[0].ids->of_tree);
  CHECK(mounts[0].ids->uid_map == Map{{7, 1000, 1}, {8, 100000, 9}});
  REQUIRE(mounts[1].ids);
  CHECK_FALSE(mounts[1].ids->of_tree);
  CHECK(mounts[1].ids->uid_map == Map{{7, 0, 1}, {8, 1, 9}});
  CHECK(mounts[1].ids->gid_map == Map{{0, 6, 3}});
  REQUIRE(mounts[2].ids);
  CHECK(mounts[2].ids->uid_map == c.plan().launch.identity.uid_map);
}

TEST_CASE("ids of mounts that can't be") {
  const char* maps =
      R"("uidMappings":[{"containerID":0,"hostID":5,"size":1}],"gidMappings":[{"containerID":0,"hostID":5,"size":1}])";
  const auto failure = [&](const std::string& mount, bool root) {
    Case c;
    if (root) c.as_root();
    c.add_mount(mount.c_str());
    return c.failure();
  };
  CHECK(failure(fmt::format(R"({{"destination":"/a","type":"tmpfs",{}}})", maps), false) ==
        "id mapping of the mount on '/a': the container has no id for 5");
  CHECK(failure(R"({"destination":"/a","type":"tmpfs","options":["idmap"]})", true) ==
        "id mapping of the mount on '/a': it has no uidMappings, and the container no new user namespace");
  CHECK(failure(fmt::format(R"({{"destination":"/p","type":"proc",{}}})", maps), true) ==
        "id mapping of the mount on '/p': a file system of the kernel's own has no other ids");
}

TEST_CASE("labels of security modules that are off are refused by name") {
  Case c;
  c.document["process"]["apparmorProfile"] = "unconfined";
  CHECK(c.plan().launch.process.apparmor_profile.empty());
  c.document["process"]["apparmorProfile"] = "moon";
  CHECK(c.failure() == "process.apparmorProfile 'moon' can't be applied: AppArmor is not on here");
  c.caller.apparmor = true;
  CHECK(c.plan().launch.process.apparmor_profile == "moon");
  c.document["process"]["selinuxLabel"] = "a:b:c:d";
  CHECK(c.failure() == "process.selinuxLabel 'a:b:c:d' can't be applied: SELinux is not on here");
  c.caller.selinux = true;
  c.document["linux"]["mountLabel"] = "a:b:c:s0:c1,c2";
  CHECK(c.plan().launch.process.selinux_label == "a:b:c:d");
  CHECK(c.plan().launch.mount_label == "a:b:c:s0:c1,c2");
  c.caller.selinux = false;
  c.document["process"].erase("selinuxLabel");
  CHECK(c.failure() == "linux.mountLabel 'a:b:c:s0:c1,c2' can't be applied: SELinux is not on here");
}

TEST_CASE("network devices need a network namespace, and names that the kernel takes") {
  Case c;
  c.document["linux"]["netDevices"] = Json::parse(R"({"eth0":{},"eth1":{"name":"net%d"}})");
  CHECK(c.failure() == "unable to move network devices without a private network namespace");
  c.add_namespace(R"({"type":"network"})");
  const auto devices = c.plan().network_devices;
  REQUIRE(devices.size() == 2);
  CHECK(devices[0].name == "eth0");
  CHECK(devices[1].host_name == "eth1");
  CHECK(devices[1].name == "net%d");
  for (const char* name : {"", ".", "..", "a/b", "a:b", "a b", "0123456789abcdef"}) {
    c.document["linux"]["netDevices"] = {{"eth0", {{"name", name}}}};
    CHECK(c.failure() == fmt::format("linux.netDevices: '{}' is not a name for a network device", name));
  }
}

TEST_CASE("a mount namespace is always the container's own") {
  Case c;
  c.document["linux"]["namespaces"] = Json::parse(R"([{"type":"mount","path":"/proc/1/ns/mnt"}])");
  CHECK_THROWS_AS(c.plan(), Unsupported);
  c.document["linux"]["namespaces"] = Json::parse(R"([{"type":"pid"}])");
  CHECK_THROWS_AS(c.plan(), Unsupported);
}

TEST_CASE("clocks of a new time namespace") {
  Case c;
  c.document["linux"]["timeOffsets"] = Json::parse(R"({"boottime":{"secs":-5,"nanosecs":7},"monotonic":{"secs":3}})");
  CHECK(c.failure() == "linux.timeOffsets are for a new time namespace, and none is asked for");
  c.add_namespace(R"({"type":"time"})");
  const auto spaces = c.plan().launch.namespaces;
  CHECK(spaces.time);
  REQUIRE(spaces.clock_offsets.size() == 2);
  CHECK(spaces.clock_offsets[0].clock == "boottime");
  CHECK(spaces.clock_offsets[0].seconds == -5);
  CHECK(spaces.clock_offsets[0].nanoseconds == 7);
  c.document["linux"]["timeOffsets"]["boottime"]["nanosecs"] = 1'000'000'000;
  CHECK(c.failure() == "config.json: linux.timeOffsets.boottime.nanosecs is a second or more");
  c.document["linux"]["timeOffsets"] = Json::parse(R"({"realtime":{"secs":1}})");
  CHECK(c.failure() == "config.json: linux.timeOffsets.realtime is no clock of time namespaces");
}

TEST_CASE("clocks are not set where others could look into the process that sets them") {
  Case c;
  c.document["linux"]["namespaces"] = Json::parse(R"([{"type":"mount"},{"type":"time"},{"type":"pid"},
      {"type":"user","path":"/u"}])");
  CHECK(c.failure() == "none");
  c.document["linux"]["timeOffsets"] = Json::parse(R"({"boottime":{"secs":1}})");
  CHECK_THROWS_AS(c.plan(), Unsupported);
}

TEST_CASE("file systems of namespaces that are the host's are bound from there") {
  Case c;
  c.add_mount(R"({"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro"]})");
  c.add_mount(R"({"destination":"/dev/mqueue","type":"mqueue"})");
  c.add_mount(R"({"destination":"/sys/fs/cgroup","type":"cgroup","options":["rw"]})");
  const auto kinds = [&] {
    std::vector<MountKind> list;
    for (const auto& op : c.plan().launch.mounts) list.push_back(op.kind);
    return list;
  };
  CHECK(kinds() == std::vector<MountKind>(3, MountKind::bind));
  CHECK(c.plan().launch.mounts[2].source == "/sys/fs/cgroup");
  CHECK((c.plan().launch.mounts[2].tree.set & MOUNT_ATTR_RDONLY) != 0);  // CVE-2023-25809
  for (const char* type : {"network", "ipc", "cgroup"})
    c.add_namespace(fmt::format(R"({{"type":"{}"}})", type).c_str());
  CHECK(kinds() == std::vector<MountKind>{MountKind::sysfs, MountKind::mqueue, MountKind::cgroup2});
}

TEST_CASE("a bind mount's source is the bundle's unless it is absolute") {
  Case c;
  c.add_mount(R"({"destination":"/a","source":"data","options":["bind"]})");
  c.add_mount(R"({"destination":"b/../c/","source":"/data","type":"bind","options":["ro"]})");
  const auto mounts = c.plan().launch.mounts;
  CHECK(mounts[0].source == "/bundle/data");
  CHECK(mounts[1].source == "/data");
  CHECK(mounts[1].target == "/c");
  CHECK(mounts[1].own.set == MOUNT_ATTR_RDONLY);
}

TEST_CASE("group 5 of terminals is left out where it has no id, and stays where it has") {
  Case c;
  c.add_mount(R"({"destination":"/dev/pts","type":"devpts","options":["newinstance","gid=5","mode=0620"]})");
  CHECK(c.plan().launch.mounts[0].data == "newinstance,mode=0620");
  c.as_root();
  CHECK(c.plan().launch.mounts[0].data == "newinstance,gid=5,mode=0620");
}

TEST_CASE("devices are put into /dev unless somebody's own /dev is bound there") {
  Case c;
  CHECK(c.plan().launch.populate_dev);
  c.add_mount(R"({"destination":"/dev","source":"/dev","options":["rbind"]})");
  CHECK_FALSE(c.plan().launch.populate_dev);
}

TEST_CASE("capabilities: what is unknown or not ours to give is left out with a warning, once") {
  Case c;
  c.as_root();
  c.caller.capabilities = 0b1;  // CAP_CHOWN
  c.document["process"]["capabilities"] = Json::parse(
      R"({"bounding":["CAP_CHOWN","CAP_KILL","CAP_MOON"],"permitted":["CAP_CHOWN","CAP_KILL"],
          "effective":["CAP_CHOWN"],"ambient":["CAP_CHOWN"]})");
  const Plan plan = c.plan();
  CHECK(plan.launch.process.capabilities == 0b1);
  CHECK(plan.launch.process.capability_sets->permitted == 0b1);
  CHECK(plan.launch.process.capability_sets->ambient == 0);  // it isn't inheritable
  CHECK(plan.warnings == std::vector<std::string>{"capability CAP_KILL can't be granted here, and is left out",
                                                  "capability CAP_MOON can't be granted here, and is left out"});
}

TEST_CASE("without capabilities in the configuration there are none") {
  const Plan plan = Case().plan();
  CHECK(plan.launch.process.capabilities == 0);
  CHECK(plan.launch.process.capability_sets->permitted == 0);
}

TEST_CASE("kernel parameters need a namespace of the container's own") {
  Case c;
  const auto sysctl = [&](const char* name) {
    c.document["linux"]["sysctl"] = {{name, "1"}};
    return c.failure();
  };
  CHECK(sysctl("net.ipv4.ip_forward") ==
        "sysctl \"net.ipv4.ip_forward\" is not allowed in the host's network namespace");
  CHECK(sysctl("kernel.domainname") == "sysctl \"kernel.domainname\" is not allowed in the host's uts namespace");
  CHECK(sysctl("kernel.shmmax") == "sysctl \"kernel.shmmax\" is not allowed in the host's ipc namespace");
  CHECK(sysctl("kernel.hostname") == "sysctl \"kernel.hostname\" is not in a separate kernel namespace");
  CHECK(sysctl("net/ipv4/../../kernel/core_pattern") ==
        "sysctl \"net/ipv4/../../kernel/core_pattern\" is not a name of the kernel's");
  c.add_namespace(R"({"type":"network"})");
  CHECK(sysctl("net.ipv4.ip_forward") == "none");
  CHECK(sysctl("net/ipv4/ip_forward") == "none");
}

TEST_CASE("the domain name as a kernel parameter is set as one") {
  Case c;
  c.add_namespace(R"({"type":"uts"})");
  c.document["linux"]["sysctl"] = {{"kernel.domainname", "example"}};
  const userns::LaunchPlan launch = c.plan().launch;
  CHECK(launch.domainname == "example");
  CHECK(launch.sysctls.empty());
  c.document["domainname"] = "example";
  CHECK(c.failure() == "none");
  c.document["domainname"] = "other";
  CHECK(c.failure() == "domainname \"other\" and sysctl \"kernel.domainname\" contradict each other");
}

TEST_CASE("of several values of a variable the last one counts") {
  Case c;
  c.document["process"]["env"] = {"A=1", "AB=2", "A=3", "NAKED", "A=4"};
  CHECK(c.plan().launch.process.env == std::vector<std::string>{"A=4", "AB=2", "NAKED"});
}

TEST_CASE("the cgroup belongs to the process's user where it sees its own alone and may write there") {
  Case c;
  c.as_root();
  const auto owner = [&] { return c.plan().cgroup.owner; };
  c.document["process"]["user"] = {{"uid", 33}, {"gid", 33}};
  c.add_mount(R"({"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup"})");
  CHECK_FALSE(owner().has_value());
  c.add_namespace(R"({"type":"cgroup"})");
  CHECK(owner() == 33);
  c.add_namespace(R"({"type":"user"})");
  for (const char* key : {"uidMappings", "gidMappings"}) {
    c.document["linux"][key] = {{{"containerID", 0}, {"hostID", 5000}, {"size", 100}}};
  }
  CHECK(owner() == 5033);
  c.document["mounts"][0]["options"] = {"ro"};
  CHECK_FALSE(owner().has_value());
  c.document["mounts"][0]["options"] = {"rw"};
  c.caller.uid = 1000;
  CHECK_FALSE(owner().has_value());
}
