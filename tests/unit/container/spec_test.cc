#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/container/spec.h"
#include "sandbox/container/spec_head.h"
#include "sandbox/container/state.h"

using namespace sandbox;
using namespace sandbox::container;

namespace {

Spec example() {
  Spec spec;
  spec.id = std::string(64, 'a');
  spec.name = "web";
  spec.image = "nginx:latest";
  spec.created = 1700000000;
  spec.created_nanoseconds = 999'999'999;
  spec.labels = {{"tier", "front"}};
  spec.plan.identity.uid_map = {{0, 1000, 1}, {1, 100000, 65536}};
  spec.plan.root.lower = {"/layers/2", "/layers/1"};
  spec.plan.mounts.push_back({.kind = userns::MountKind::tmpfs, .target = "/dev", .data = "size=64k", .no_exec = true});
  spec.plan.masked_paths = {"/proc/kcore"};
  spec.plan.network.emplace().mtu = 1500;
  spec.plan.process.argv = {"sh", "-c", "echo \"ü\"\n"};
  spec.plan.process.capabilities = 1ULL << 40;
  spec.plan.process.rlimits = {{7, 1024, UINT64_MAX}};
  spec.ports = {{"127.0.0.1", 8080, 80, true}};
  spec.limits = {.memory = 64U << 20, .memory_swap = -1, .nano_cpus = 500'000'000, .cpuset_cpus = "0-1", .pids = 20};
  spec.limits_best_effort = true;
  spec.auto_remove = true;
  return spec;
}

std::string document(const std::string& name) { return read_file(std::string(DATA_DIRECTORY) + "/" + name); }

}  // namespace

TEST_CASE("a spec read back from its JSON text is the same") {
  const Json first = to_json(example());
  const Spec read = spec_from_json(parse_json(first.dump(), "test"));
  CHECK(to_json(read) == first);
  CHECK(read.plan.mounts.at(0).kind == userns::MountKind::tmpfs);
  CHECK(read.plan.process.rlimits.at(0).hard == UINT64_MAX);
  CHECK(read.plan.process.capabilities == 1ULL << 40);
  CHECK(read.plan.network->mtu == 1500);
  CHECK(read.limits == example().limits);
  CHECK(read.labels.at("tier") == "front");
}

TEST_CASE("a missing network stays missing through JSON") {
  Spec spec = example();
  spec.plan.network.reset();
  CHECK_FALSE(spec_from_json(to_json(spec)).plan.network.has_value());
}

TEST_CASE("the seccomp filter's bytes stay out of the JSON") {
  Spec spec = example();
  spec.plan.process.seccomp.resize(8);
  CHECK(to_json(spec) == to_json(example()));
}

TEST_CASE("the text of a spec has two lines, and the first one tells its head") {
  Spec spec = example();
  fill_head(spec, "/data/containers/" + spec.id);
  const std::string text = spec_text(spec);
  CHECK(to_json(spec_from_json(parse_spec(text))) == to_json(spec));
  const auto head = parse_spec_head(text);
  REQUIRE(head);
  CHECK(head->name == "web");
  CHECK(head->created_nanoseconds == 999'999'999);
  CHECK(head->labels == spec.labels);
  CHECK(head->ports.at(0).container_port == 80);
  CHECK(head->command == spec.plan.process.argv);
  CHECK(head->network == "bridge");
  CHECK(text.find("plan") > text.find('\n'));
}

TEST_CASE("the text of an earlier version has one line, and no head") {
  const std::string text = to_json(example()).dump();
  CHECK_FALSE(parse_spec_head(text));
  CHECK_FALSE(parse_spec_head(text + "\n"));
  CHECK(to_json(spec_from_json(parse_spec(text))) == to_json(example()));
}

TEST_CASE("a text that ends anywhere before its end is no spec") {
  const std::string text = spec_text(example());
  for (std::size_t size = 0; size < text.size(); ++size) {
    CAPTURE(size);
    const std::string_view part = std::string_view(text).substr(0, size);
    CHECK_THROWS_AS(spec_from_json(parse_spec(part)), InvalidInput);
    if (part.find('\n') < size - 1) CHECK_THROWS_AS(parse_spec_head(part), InvalidInput);
  }
}

TEST_CASE("a text of other lines is refused") {
  const std::string text = spec_text(example()), head = text.substr(0, text.find('\n') + 1);
  for (const std::string& wrong :
       {text + "{}\n", head + head, "{}\n" + text, head + "[{}\n", std::string("[]\n{}\n")}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(spec_from_json(parse_spec(wrong)), InvalidInput);
  }
  CHECK_THROWS_WITH_AS(parse_spec(head + "{\"name\":\"other\"}\n"), "container.json: two members 'name'",
                       InvalidInput);
}

TEST_CASE("the head tells what the user has had mounted, and the kind of network") {
  Spec spec = example();
  spec.plan.network.reset();
  const auto bind = [](const char* source, const char* target) {
    return userns::MountOp{.kind = userns::MountKind::bind, .source = source, .target = target};
  };
  spec.plan.mounts = {bind("/data/containers/1/hosts", "/etc/hosts"), bind("/sys", "/sys"),
                      bind("/data/volumes/db/_data", "/db"), bind("/home/me", "/me")};
  spec.plan.mounts.back().read_only = true;
  fill_head(spec, "/data/containers/1");
  REQUIRE(spec.mounts.size() == 2);
  CHECK(spec.mounts[0].name == "db");
  CHECK(spec.mounts[0].writable);
  CHECK(spec.mounts[1].name == "");
  CHECK(spec.mounts[1].source == "/home/me");
  CHECK(spec.mounts[1].destination == "/me");
  CHECK_FALSE(spec.mounts[1].writable);
  CHECK(spec.network == "none");
  const std::string layer = "/data/layers/" + std::string(64, 'a') + ".ids/fs";
  userns::MountOp part = bind("deep/in", "/part"), image, scratch;
  part.below = "/data/volumes/db/_data";
  image.kind = scratch.kind = userns::MountKind::merge;
  image.lower = {layer, "/data/layers/other"};
  scratch.lower = {"/home/me"};
  spec.plan.mounts = {part, image, scratch};
  fill_head(spec, "/data/containers/1");
  REQUIRE(spec.mounts.size() == 3);
  CHECK(spec.mounts[0].name == "db");
  CHECK(spec.mounts[1].source == layer);
  CHECK(spec.mounts[1].of_image);
  CHECK(spec.mounts[2].source == "/home/me");
  CHECK_FALSE(spec.mounts[2].of_image);
  spec.plan.namespaces.network = false;
  fill_head(spec, "/data/containers/1");
  CHECK(spec.network == "host");
}

TEST_CASE("a merge of no directories is refused") {
  Spec spec = example();
  spec.plan.mounts.emplace_back().kind = userns::MountKind::merge;
  CHECK_THROWS_WITH_AS(spec_from_json(to_json(spec)), "container description: field 'plan' has a merge of no directories",
                       InvalidInput);
}

TEST_CASE("every field that is missing from a spec is refused by name") {
  const Json good = to_json(example());
  for (const auto& [key, value] : good.items()) {
    Json bad = good;
    bad.erase(key);
    CAPTURE(key);
    CHECK_THROWS_AS(spec_from_json(bad), InvalidInput);
  }
  Json bad = good;
  bad["plan"].erase("masked_paths");
  CHECK_THROWS_WITH_AS(spec_from_json(bad), "container description: field 'plan.masked_paths' is missing", InvalidInput);
}

TEST_CASE("fields of the wrong type or range are refused") {
  const auto refuses = [](const char* pointer, const Json& value) {
    Json bad = to_json(example());
    bad[Json::json_pointer(pointer)] = value;
    CAPTURE(pointer);
    CHECK_THROWS_AS(spec_from_json(bad), InvalidInput);
  };
  refuses("/id", "../../etc");
  refuses("/id", std::string(64, 'A'));
  refuses("/name", "a/b");
  refuses("/stop_signal", 65);
  refuses("/stop_signal", 0);
  refuses("/ports/0/host_port", 65536);
  refuses("/ports/0/host_port", -1);
  refuses("/ports/0/host_port", 80.5);
  refuses("/plan/process/uid", 1ULL << 32);
  refuses("/plan/process/argv", "sh");
  refuses("/plan/process/argv/0", std::string("a\0b", 3));
  refuses("/plan/mounts/0/kind", "floppy");
  refuses("/plan/process/no_new_privs", 1);
  refuses("/plan", nullptr);
  refuses("/labels/tier", 3);
  CHECK_THROWS_AS(spec_from_json(Json::array()), InvalidInput);
}

TEST_CASE("what version 1 wrote is read by every later version") {
  CHECK_NOTHROW(spec_from_json(parse_json(document("container-v1.json"), "container")));
  CHECK_NOTHROW(state_from_json(parse_json(document("state-v1.json"), "state")));
}

TEST_CASE("a container of version 17 is what it was") {
  const std::string text = document("container-v17.json");
  const Spec spec = spec_from_json(parse_spec(text));
  CHECK(spec.name == "web");
  CHECK(spec.network == "bridge");
  CHECK(spec.labels.at("tier") == "front");
  REQUIRE(spec.ports.size() == 1);
  CHECK(spec.ports[0].host_port == 8080);
  CHECK(spec.restart.most == 3);
  CHECK(spec.stop_timeout == 5);
  CHECK(spec.plan.process.init);
  CHECK(spec.plan.namespaces.pid);
  CHECK(spec.attachments.empty());
  CHECK(spec.shared_namespaces.empty());
  const auto head = parse_spec_head(text);
  REQUIRE(head);
  CHECK(head->id == spec.id);
  CHECK(head->mounts.size() == 2);
}

TEST_CASE("a running state of version 3 is what it was") {
  const State state = state_from_json(parse_json(document("state-v3.json"), "state"));
  CHECK(state.status == Status::running);
  CHECK(state.health == Health::starting);
  CHECK(state.started == 1795800083);
  CHECK(state.pid == 8740);
  CHECK(state.pid_start == 9100209);
  CHECK(!state.boot.empty());
  CHECK(state.endpoints.empty());
}

TEST_CASE("a document of a newer version is refused") {
  Json newer = to_json(example());
  newer["version"] = 1000;
  CHECK_THROWS_WITH_AS(spec_from_json(newer),
                       "container description: field 'version' is 1000, of a newer sandbox: this one knows 18", InvalidInput);
}
