// The words of flags: ports, environment, mounts, sizes, durations, users.
#include <doctest/doctest.h>
#include <sys/mount.h>
#include <stdlib.h>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/signal_name.h"
#include "sandbox/engine/cdi.h"
#include "sandbox/engine/environment.h"
#include "sandbox/engine/health_options.h"
#include "sandbox/engine/identity.h"
#include "sandbox/engine/life_options.h"
#include "sandbox/engine/mounts.h"
#include "sandbox/engine/network_files.h"
#include "sandbox/engine/ports.h"
#include "sandbox/engine/secrets.h"
#include "sandbox/engine/security.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

TEST_CASE("a published port has an optional address, host port and protocol") {
  auto ports = parse_publish("8080:80");
  REQUIRE(ports.size() == 1);
  CHECK(ports[0].host_ip == "0.0.0.0");
  CHECK(ports[0].host_port == 8080);
  CHECK(ports[0].container_port == 80);
  CHECK_FALSE(ports[0].udp);
  ports = parse_publish("127.0.0.1:53:5353/udp");
  CHECK(ports[0].host_ip == "127.0.0.1");
  CHECK(ports[0].udp);
  CHECK(parse_publish("[::1]:80:80")[0].host_ip == "::1");
  CHECK(parse_publish("80")[0].host_port == 0);
  CHECK(parse_publish("127.0.0.1::80")[0].host_port == 0);
}

TEST_CASE("a range of ports is one entry per port") {
  const auto ports = parse_publish("8000-8002:80-82");
  REQUIRE(ports.size() == 3);
  CHECK(ports[2].host_port == 8002);
  CHECK(ports[2].container_port == 82);
  CHECK(parse_publish("65535-65535:1-1").size() == 1);
}

TEST_CASE("exposed ports are published once each, and what is no port is left out") {
  auto ports = parse_publish("8080:80");
  const auto exposed = exposed_ports({"80/tcp", "53/udp", "7001", "evil:1:2", "nonsense", "80/icmp"}, {"7000-7001"});
  CHECK(exposed == std::vector<std::string>{"53/udp", "80/tcp", "7000/tcp", "7001/tcp"});
  publish_exposed(exposed, ports);
  REQUIRE(ports.size() == 4);
  CHECK(ports[0].host_port == 8080);
  CHECK(ports[1].udp);
  CHECK(ports[1].host_port == 0);
  CHECK(ports[3].container_port == 7001);
  CHECK_THROWS_AS(exposed_ports({}, {"nonsense"}), UsageError);
}

TEST_CASE("port 0 of the host is any free one") {
  CHECK(parse_publish("0:80")[0].host_port == 0);
  CHECK(parse_publish("127.0.0.1:0:80-81").size() == 2);
}

TEST_CASE("what is exposed is a port or a range of them") {
  CHECK(parse_expose("8000-8001/udp").size() == 2);
  for (const char* text : {"", "80:81", "http", "0", "81-80"}) CHECK_THROWS_AS(parse_expose(text), UsageError);
}

TEST_CASE("a malformed port is refused") {
  for (const char* text : {"", "80:0", "0-1:80-81", "70000:80", "80:", "a:80", "1.2.3:80:80", "80:80/icmp", "80-81:80", "81-80:1-2"}) {
    CHECK_THROWS_AS(parse_publish(text), UsageError);
  }
}

TEST_CASE("a later assignment replaces an earlier one in place") {
  std::vector<std::string> env{"A=1", "AB=2"};
  set_environment(env, "A=3");
  set_environment(env, "C=");
  CHECK(env == std::vector<std::string>{"A=3", "AB=2", "C="});
  CHECK_FALSE(is_assignment("=x"));
  CHECK_FALSE(is_assignment("NAME"));
  CHECK(is_assignment("N="));
}

TEST_CASE("a bare name takes the caller's value and is left out without one") {
  ::setenv("SANDBOX_TEST_NAME", "here", 1);
  ::unsetenv("SANDBOX_TEST_ABSENT");
  CHECK(read_environment({"SANDBOX_TEST_NAME", "SANDBOX_TEST_ABSENT", "X=1"}, {}) ==
        std::vector<std::string>{"SANDBOX_TEST_NAME=here", "X=1"});
  CHECK_THROWS_AS(read_environment({"=x"}, {}), UsageError);
}

TEST_CASE("a volume is a host path or a name") {
  const auto bind = parse_volume("/srv:/data:ro", "/d");
  CHECK(bind.op.source == "/srv");
  CHECK(bind.op.target == "/data");
  CHECK(bind.op.read_only);
  CHECK(parse_volume("cache:/c", "/d").op.source == "/d/volumes/cache/_data");
  for (const char* text : {"", "a", "/a:b", "/a:/", "/a:/b:zz", "-x:/b", "/a:/b:ro:x", ":/b"}) {
    CHECK_THROWS_AS(parse_volume(text, "/d"), UsageError);
  }
}

TEST_CASE("a place to mount on is cleaned, and never in /proc") {
  CHECK(parse_volume("/srv:/a//b/../c/", "/d").op.target == "/a/c");
  for (const char* target : {"/proc", "//proc", "/proc/self", "/x/../proc/sys", "/proc/"}) {
    CHECK_THROWS_AS(parse_volume(std::string("/srv:") + target, "/d"), UsageError);
    CHECK_THROWS_AS(parse_tmpfs(target), UsageError);
  }
  CHECK(parse_volume("/srv:/process", "/d").op.target == "/process");
  CHECK_THROWS_AS(parse_volume("/srv:/a/..", "/d"), UsageError);
}

TEST_CASE("a volume without a source is anonymous, and options say what becomes of it") {
  CHECK(parse_volume("/a", "/d").anonymous);
  CHECK(parse_volume("vv:/a", "/d").volume == "vv");
  CHECK(parse_volume("vv:/a", "/d").copies);
  CHECK_FALSE(parse_volume("vv:/a:nocopy", "/d").copies);
  CHECK(parse_volume("vv:/a:U,ro", "/d").gives_owner);
  CHECK(parse_volume("/h:/a:rslave", "/d").op.propagation == MS_SLAVE);
  CHECK(parse_volume("/h:/a:rslave", "/d").op.propagation_of_tree);
  CHECK_THROWS_AS(parse_volume("/h:/a:shared", "/d"), Unsupported);
  CHECK(parse_mount("dst=/a", "/d").anonymous);
}

TEST_CASE("what the user asks for comes before what other containers and the image have") {
  RunRequest request;
  request.volumes = {"/srv:/data/sub", "cache:/data"};
  MountSources sources{.data = "/d", .id = "1234", .image_volumes = {"/data", "/log"}, .inherited = {}};
  sources.inherited.push_back(parse_volume("other:/data", "/d"));
  sources.inherited.push_back(parse_volume("theirs:/theirs", "/d"));
  const auto mounts = user_mounts(request, sources);
  REQUIRE(mounts.size() == 4);
  CHECK(mounts[0].volume == "cache");
  CHECK(mounts[1].volume == "theirs");
  CHECK(mounts[2].anonymous);
  CHECK(mounts[2].op.target == "/log");
  CHECK(mounts[2].volume.size() == 64);
  CHECK(mounts[2].op.source == "/d/volumes/" + mounts[2].volume + "/_data");
  CHECK(mounts[3].op.target == "/data/sub");
  sources.id = "1235";
  CHECK(user_mounts(request, sources)[2].volume != mounts[2].volume);
  request.tmpfs = {"/data"};
  CHECK_THROWS_AS(user_mounts(request, sources), UsageError);
}

TEST_CASE("--mount and --tmpfs name their options") {
  CHECK(parse_mount("type=bind,src=/a,dst=/b,readonly", "/d").op.read_only);
  CHECK(parse_mount("type=tmpfs,dst=/b,tmpfs-size=1m", "/d").op.data == "mode=1777,size=1048576");
  CHECK_THROWS_AS(parse_mount("type=bind,dst=/b", "/d"), UsageError);
  CHECK_THROWS_AS(parse_mount("type=bind,src=/a,dst=/b,what=1", "/d"), UsageError);
  const auto tmpfs = parse_tmpfs("/t:size=1m,exec");
  CHECK(tmpfs.op.data == "size=1m");
  CHECK_FALSE(tmpfs.op.no_exec);
}

TEST_CASE("durations are rounded as Docker rounds them") {
  CHECK(human_duration(0) == "Less than a second");
  CHECK(human_duration(1) == "1 second");
  CHECK(human_duration(59) == "59 seconds");
  CHECK(human_duration(60) == "About a minute");
  CHECK(human_duration(119) == "About a minute");
  CHECK(human_duration(180) == "3 minutes");
  CHECK(human_duration(3600) == "About an hour");
  CHECK(human_duration(2 * 3600) == "2 hours");
  CHECK(human_duration(3 * 86400) == "3 days");
  CHECK(human_duration(21 * 86400) == "3 weeks");
  CHECK(human_duration(90 * 86400) == "3 months");
  CHECK(human_duration(800LL * 86400) == "2 years");
}

TEST_CASE("sizes and signals have Docker's names") {
  CHECK(human_size(0) == "0B");
  CHECK(human_size(4261550) == "4.26MB");
  CHECK(human_size(4261550, 4) == "4.262MB");
  CHECK(parse_size("64m") == 64U << 20);
  CHECK(parse_size("1GiB") == 1U << 30);
  CHECK(parse_size("10") == 10);
  CHECK_THROWS_AS(parse_size("1x"), UsageError);
  CHECK_THROWS_AS(parse_size(""), UsageError);
  CHECK(parse_signal("TERM") == 15);
  CHECK(parse_signal("sigkill") == 9);
  CHECK(parse_signal("9") == 9);
  CHECK_THROWS_AS(parse_signal("0"), UsageError);
  CHECK_THROWS_AS(parse_signal("NOPE"), UsageError);
  CHECK(parse_ulimit("nofile=10:20").hard == 20);
  CHECK_THROWS_AS(parse_ulimit("nofile=20:10"), UsageError);
  CHECK_THROWS_AS(parse_ulimit("what=1"), UsageError);
}

TEST_CASE("a user is a number or a name of the image's own files") {
  const char* passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/var/www:/bin/false\n";
  CHECK(resolve_user("", passwd, "").home == "/root");
  CHECK(resolve_user("web", passwd, "").gid == 34);
  CHECK(resolve_user("web:tape", passwd, "tape:x:26:\n").gid == 26);
  const std::string group = "adm:x:4:web,x\ntape:x:26:webster\nvideo:x:44:web\n";
  CHECK(resolve_user("web", passwd, group).groups == std::vector<std::uint32_t>{4, 44});
  CHECK(resolve_user("web:tape", passwd, group).groups.empty());
  for (const char* line : {"bad:x:zero:0::/:\n", "bad:x::0::/:\n", "bad\n", "bad:x:5:\n", "bad:x:4294967295:0::/:\n"}) {
    CHECK_THROWS_AS(resolve_user("bad", line, ""), InvalidInput);
  }
  CHECK(resolve_user("1000", passwd, "").uid == 1000);
  CHECK(resolve_user("1000:5", "", "").gid == 5);
  CHECK_THROWS_AS(resolve_user("nobody", passwd, ""), UsageError);
  CHECK_THROWS_AS(resolve_user("web:nogroup", passwd, ""), UsageError);
}

TEST_CASE("unknown security options are refused rather than ignored") {
  CHECK(parse_security_options({}).no_new_privs);
  CHECK_FALSE(parse_security_options({"no-new-privileges=false"}).no_new_privs);
  CHECK(parse_security_options({"seccomp=unconfined"}).seccomp == "unconfined");
  CHECK_NOTHROW(parse_security_options({"apparmor=unconfined", "label=disable", "label:disable"}));
  CHECK_THROWS_AS(parse_security_options({"apparmor=docker-default"}), UsageError);
  CHECK_THROWS_AS(parse_security_options({"label=type:container_t"}), UsageError);
}

TEST_CASE("the hosts file names the container and the added hosts") {
  RunRequest request;
  request.add_hosts = {"db:10.1.2.3", "up:host-gateway"};
  const std::string hosts = render_hosts(request, "box");
  CHECK(hosts.find("10.0.2.100\tbox\n10.1.2.3\tdb\n10.0.2.2\tup\n") != std::string::npos);
  request.add_hosts = {"db:10.1.2.3\n6.6.6.6 x"};
  CHECK_THROWS_AS(render_hosts(request, "box"), UsageError);
}

TEST_CASE("resolv.conf names the forwarder or all --dns servers, and the host's search and options unless replaced") {
  const std::string host = "nameserver 127.0.0.53\n# nameserver 9.9.9.9\nsearch corp.example lan\noptions edns0 trust-ad\n";
  RunRequest request;
  CHECK(render_resolv_conf(request, host) == "search corp.example lan\nnameserver 10.0.2.3\noptions edns0 trust-ad\n");
  request.dns = {"1.1.1.1", "8.8.8.8", "2001:db8::1"};
  request.dns_search = {"a.example", "b.example"};
  request.dns_options = {"ndots:2"};
  CHECK(render_resolv_conf(request, host) ==
        "search a.example b.example\nnameserver 1.1.1.1\nnameserver 8.8.8.8\nnameserver 2001:db8::1\noptions ndots:2\n");
  request.dns_search = {"."};
  CHECK(render_resolv_conf(request, host).find("search") == std::string::npos);
  request.network = "host";
  CHECK(render_resolv_conf(request, host).find("nameserver 1.1.1.1\n") == 0);
  CHECK(render_resolv_conf({.network = "host"}, host) == host);
  CHECK(render_resolv_conf({.network = "none"}, host).empty());
}

TEST_CASE("--dns takes addresses only, and no word of resolv.conf can bring a line of its own") {
  RunRequest request;
  request.dns = {"dns.example"};
  CHECK_THROWS_AS(render_resolv_conf(request, ""), UsageError);
  request.dns.clear();
  request.dns_search = {"a.example\nnameserver 6.6.6.6"};
  CHECK_THROWS_AS(render_resolv_conf(request, ""), UsageError);
  request.dns_search.clear();
  request.dns_options = {"ndots:1 x"};
  CHECK_THROWS_AS(render_resolv_conf(request, ""), UsageError);
}

TEST_CASE("a log has a driver and bounds") {
  CHECK(parse_log("", {}).driver == container::LogDriver::json_file);
  CHECK(parse_log("", {}).most_bytes == 0);
  CHECK(parse_log("local", {}).most_files == 5);
  const auto log = parse_log("json-file", {"max-size=10m", "max-file=3", "mode=blocking"});
  CHECK(log.most_bytes == 10U << 20);
  CHECK(log.most_files == 3);
  CHECK(log.options.at("max-size") == "10m");
  CHECK(parse_log("local", {"max-size=-1"}).most_bytes == 0);
  CHECK(parse_log("none", {"max-size=1m"}).driver == container::LogDriver::none);
  CHECK_THROWS_AS(parse_log("syslog", {}), UsageError);
  CHECK_THROWS_AS(parse_log("", {"mode=non-blocking"}), UsageError);
  CHECK_THROWS_AS(parse_log("", {"max-file=1001"}), UsageError);
  CHECK_THROWS_AS(parse_log("journald", {"max-size=1m"}), UsageError);
}

TEST_CASE("a restart policy is a word, for on-failure with a number") {
  using container::RestartWhen;
  CHECK(parse_restart_policy("") == container::RestartPolicy{});
  CHECK(parse_restart_policy("always") == container::RestartPolicy{RestartWhen::always, 0});
  CHECK(parse_restart_policy("on-failure:3") == container::RestartPolicy{RestartWhen::on_failure, 3});
  for (const char* wrong : {"often", "always:3", "on-failure:x", "on-failure:-1", "on-failure:3x"}) {
    CHECK_THROWS_AS(parse_restart_policy(wrong), UsageError);
  }
  CHECK(parse_stop_timeout("") == container::usual_stop_time);
  CHECK(parse_stop_timeout("-1") == -1);
  CHECK_THROWS_AS(parse_stop_timeout("1s"), UsageError);
}

TEST_CASE("a part of a volume, an image, and changes that go with a run") {
  const userns::MountOp part = parse_mount("type=volume,src=vol,dst=/p,volume-subpath=a/b", "/d").op;
  CHECK(part.below == "/d/volumes/vol/_data");
  CHECK(part.source == "a/b");
  CHECK(part.follows);
  const UserMount image = parse_mount("type=image,src=tools,dst=/m,subpath=usr", "/d");
  CHECK(image.image == "tools");
  CHECK(image.op.kind == userns::MountKind::merge);
  CHECK(image.op.source == "usr");
  CHECK(image.op.read_only);
  RunRequest request;
  request.volumes = {"/host:/b:O"};
  request.mounts = {"type=image,src=tools,dst=/m,rw"};
  CHECK(mounted_images(request) == std::vector<std::string>{"tools"});
  const auto mounts = user_mounts(request, {"/d", "id", {}, {}, {{"tools", {"/top", "/below"}}}});
  REQUIRE(mounts.size() == 2);
  CHECK(mounts[0].op.lower == std::vector<std::string>{"/top", "/below"});
  CHECK(mounts[0].op.upper == "/d/containers/id/scratch/0/upper");
  CHECK(mounts[1].op.kind == userns::MountKind::merge);
  CHECK(mounts[1].op.lower == std::vector<std::string>{"/host"});
  CHECK(mounts[1].op.source.empty());
  CHECK(mounts[1].op.work == "/d/containers/id/scratch/1/work");
  for (const char* words : {"type=volume,src=vol,dst=/p,subpath=/a", "type=volume,src=vol,dst=/p,subpath=a/../..",
                            "type=bind,src=/a,dst=/p,subpath=a", "type=volume,dst=/p,subpath=a", "type=image,dst=/m",
                            "type=image,src=i,dst=/m,chown=true", "type=volume,src=vol,dst=/p,subpath=a,U=true"}) {
    CHECK_THROWS_AS(parse_mount(words, "/d"), UsageError);
  }
  CHECK_THROWS_AS(parse_volume("/a:/b:O,U", "/d"), UsageError);
}

TEST_CASE("a check of health is the image's, but for what is given") {
  const Json config = {{"Healthcheck", {{"Test", {"CMD-SHELL", "true"}}, {"Retries", 7}, {"Interval", -5}, {"Timeout", "x"}}},
                       {"Shell", {"/bin/bash", "-e"}}};
  CHECK(plan_health({}, nullptr).argv.empty());
  const auto own = plan_health({}, &config);
  CHECK(own.argv == std::vector<std::string>{"/bin/bash", "-e", "true"});
  CHECK(own.retries == 7);
  CHECK(own.interval == 30'000'000'000);
  const auto given = plan_health({.command = "false", .interval = "1m", .retries = "2"}, &config);
  CHECK(given.test == std::vector<std::string>{"CMD-SHELL", "false"});
  CHECK(given.interval == 60'000'000'000);
  CHECK(given.retries == 2);
  CHECK(plan_health({.none = true}, &config).argv.empty());
  CHECK_THROWS_AS(plan_health({.none = true, .retries = "2"}, &config), UsageError);
  CHECK_THROWS_AS(plan_health({.timeout = "1ns"}, nullptr), UsageError);
  for (const Json& strange : {Json{{"Healthcheck", 3}}, Json{{"Healthcheck", {{"Test", {"CMD", 3}}}}},
                              Json{{"Healthcheck", {{"Test", {"UNHEARD", "x"}}}}}, Json::object()}) {
    CHECK(plan_health({}, &strange).argv.empty());
  }
}

TEST_CASE("a secret is a file below /run/secrets, or a variable") {
  const ChosenSecret usual = parse_secret("pass");
  CHECK(usual.target == "/run/secrets/pass");
  CHECK(usual.mode == 0444);
  CHECK_FALSE(usual.variable);
  const ChosenSecret file = parse_secret("pass,type=mount,target=a/b,uid=1,gid=2,mode=0400");
  CHECK(file.target == "/run/secrets/a/b");
  CHECK(file.uid == 1);
  CHECK(file.gid == 2);
  CHECK(file.mode == 0400);
  CHECK(parse_secret("pass,target=/etc/key").target == "/etc/key");
  const ChosenSecret variable = parse_secret("pass,type=env");
  CHECK(variable.variable);
  CHECK(variable.target == "pass");
  for (const char* words : {"", ",", "type=env", "pass,target=../x", "pass,target=/a/../b", "pass,mode=1777",
                            "pass,uid=x", "pass,type=env,target=A=B", "pass,type=env,uid=1"}) {
    CHECK_THROWS_AS(parse_secret(words), UsageError);
  }
}

TEST_CASE("a device may be named by its vendor's description") {
  CHECK(is_cdi_name("nvidia.com/gpu=0"));
  CHECK(is_cdi_name("a.b/c_d=x:y.z-1"));
  for (const char* word : {"/dev/fuse", "nvidia.com/gpu", "/gpu=0", "nvidia.com/=0", "nvidia.com/gpu=", "a/b/c=0",
                           "a.b/c=../x", "/dev/null:/dev/null:rwm"}) {
    CHECK_FALSE(is_cdi_name(word));
  }
  CHECK(gpu_names("all") == std::vector<std::string>{"nvidia.com/gpu=all"});
  CHECK(gpu_names("\"device=0,1\"") == std::vector<std::string>{"nvidia.com/gpu=0", "nvidia.com/gpu=1"});
  for (const char* words : {"", "2", "device=", "device=0,,1", "device=a=b", "all,capabilities=utility"}) {
    CHECK_THROWS_AS(gpu_names(words), UsageError);
  }
}

TEST_CASE("who has no name in the image gets one, and nobody gets two") {
  const AccountFiles image{"root:x:0:0:root:/root:/bin/sh\nme:x:7:7::/:/bin/sh", "root:x:0:\n"};
  CHECK(complete_accounts(image, {.uid = 0, .gid = 0}, {}).empty());
  const GeneratedFiles numbered = complete_accounts(image, {.uid = 12, .gid = 0}, {});
  CHECK(numbered.size() == 1);
  CHECK(numbered.at("passwd") == image.passwd + "\n12:*:12:0:container user:/:/bin/sh\n");
  User caller{.uid = 12, .gid = 13};
  caller.home = "/home/you";
  const GeneratedFiles named = complete_accounts(image, caller, {"you", "You", "yours", "/home/you"});
  CHECK(named.at("passwd").ends_with("\nyou:*:12:13:You:/home/you:/bin/sh\n"));
  CHECK(named.at("group").ends_with("\nyours:x:13:you\n"));
  CHECK(complete_accounts(image, caller, {"me", "", "", "/"})
            .at("passwd")
            .ends_with("\n12:*:12:13:container user:/home/you:/bin/sh\n"));
  CHECK(complete_accounts({}, caller, {}).empty());
}

TEST_CASE("a hardware address is one station's") {
  CHECK(parse_mac_address("02:42:AC:11:00:02") == "02:42:ac:11:00:02");
  CHECK(parse_mac_address("92-d0-c6-0a-29-33") == "92:d0:c6:0a:29:33");
  for (const char* wrong : {"", "02:42:ac:11:00", "02:42:ac:11:00:0g", "0242.ac11.0002.00", "02:42:ac:11:00:02:03",
                            "00:00:00:00:00:00", "01:00:5e:00:00:01"})
    CHECK_THROWS_AS(parse_mac_address(wrong), UsageError);
}

}  // namespace
}  // namespace sandbox::engine
