// Docker's tables and filters of containers, with made-up containers.
#include "sandbox/cli/table.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/container_filters.h"
#include "sandbox/cli/container_listing.h"
#include "sandbox/container/spec_head.h"
#include "sandbox/engine/ports.h"

namespace sandbox::cli {
namespace {

container::Container made(char digit, const std::string& name, container::Status status) {
  container::Container one;
  one.directory = "/store/containers/" + std::string(64, digit);
  one.spec.id = std::string(64, digit);
  one.spec.name = name;
  one.spec.image = "nginx";
  one.spec.created = 1000;
  one.spec.plan.process.argv = {"nginx"};
  one.spec.labels = {{"com.example.tier", "front"}, {"env", name}};
  one.state.status = status;
  one.state.started = 1000;
  return one;
}

/// Newest first: "web" runs, "old" has ended with status 3, "new" was never started.
std::vector<container::Entry> three() {
  std::vector<container::Container> all = {made('a', "web", container::Status::running),
                                           made('b', "old", container::Status::exited),
                                           made('c', "new", container::Status::created)};
  all[0].spec.ports = {{"0.0.0.0", 8080, 80, false}, {"::1", 53, 53, true}};
  all[0].spec.plan.network.emplace();
  all[0].spec.plan.mounts = {
      {.kind = userns::MountKind::bind, .source = all[0].directory + "/hosts", .target = "/etc/hosts"},
      {.kind = userns::MountKind::bind, .source = "/store/volumes/data/_data", .target = "/data"},
      {.kind = userns::MountKind::bind, .source = "/home/me/a-long-path", .target = "/mnt"}};
  all[1].state.exit_code = 3;
  all[1].state.finished = 1060;
  std::vector<container::Entry> entries;
  for (auto& one : all) {
    container::fill_head(one.spec, one.directory);
    entries.push_back({one.spec, one.state, one.directory});
  }
  return entries;
}

std::string listed(const std::string& format, bool whole = false) {
  const auto containers = three();
  std::vector<ContainerRow> rows;
  for (const auto& one : containers) rows.push_back({&one, nullptr, 1180, whole});
  return render_listing(kContainerListing, format, rows);
}

TEST_CASE("ps shows a running container's ports and an ended one's exit status") {
  CHECK(listed("table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}") ==
        "CONTAINER ID   IMAGE     COMMAND   CREATED         STATUS   "
        "                  PORTS                                    NAMES\n"
        "aaaaaaaaaaaa   nginx     \"nginx\"   3 minutes ago   Up 3 mi"
        "nutes               [::1]:53->53/udp, 0.0.0.0:8080->80/tcp   web\n"
        "bbbbbbbbbbbb   nginx     \"nginx\"   3 minutes ago   Exited "
        "(3) 2 minutes ago                                            old\n"
        "cccccccccccc   nginx     \"nginx\"   3 minutes ago   Created"
        "                                                             new\n");
}

TEST_CASE("ps has Docker's further fields") {
  CHECK(
      listed(
          "{{.Names}} {{.State}} {{.Networks}} {{.LocalVolumes}} {{.Mounts}} {{.Label \"env\"}}{{.Label \"none\"}}.") ==
      "web running bridge 1 data,/home/me/a-lon… web.\nold exited none 0  old.\nnew created none 0  new.\n");
  CHECK(listed("{{if eq .State \"exited\"}}{{.ID}} {{.Labels}}{{end}}", true) ==
        "\n" + std::string(64, 'b') + " com.example.tier=front,env=old\n\n");
  CHECK(listed("table {{.Names}}\t{{.Label \"com.example.tier\"}}") ==
        "NAMES     tier\nweb       front\nold       front\nnew       front\n");
  const std::string json = listed("json");
  CHECK(json.find("{\"Command\":\"\\\"nginx\\\"\",\"CreatedAt\":\"1970-01-01 ") == 0);
}

TEST_CASE("a long command is cut to 20 columns and quoted") {
  CHECK(command_cell({"sleep", "100"}, false) == "\"sleep 100\"");
  CHECK(command_cell({"/docker-entrypoint.sh", "nginx"}, false) == "\"/docker-entrypoint.…\"");
  CHECK(command_cell({"sh", "-c", "echo \"one\" two three"}, true) == "\"sh -c 'echo \\\"one\\\" two three'\"");
  CHECK(command_cell({"echo", "Ciao !"}, false) == "\"echo 'Ciao !'\"");
  CHECK(command_cell({"/a program", "x"}, true) == "\"/a program x\"");
  CHECK(command_cell({}, true) == "\"\"");
}

TEST_CASE("ports that are the same on both sides are shown as ranges, and a chosen port by its number") {
  container::Container container;
  container.spec.ports = {{"0.0.0.0", 81, 81, false},  {"0.0.0.0", 80, 80, false}, {"0.0.0.0", 83, 83, false},
                          {"0.0.0.0", 8002, 90, true}, {"0.0.0.0", 0, 91, true},   {"::", 80, 80, false}};
  container.state.host_ports = {81, 80, 83, 8002, 40000, 80};
  CHECK(ports_cell(container::published_ports(container.spec, container.state)) ==
        "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:83->83/tcp, [::]:80->80/tcp, 0.0.0.0:8002->90/udp, 0.0.0.0:40000->91/udp");
}

TEST_CASE("exposed ports that are not published are shown without an address, of a container that has its own network") {
  container::Container container;
  container.spec.network = "bridge";
  container.spec.exposed = {"53/udp", "80/tcp", "81/tcp", "8000/tcp"};
  container.spec.ports = {{"0.0.0.0", 0, 8000, false}};
  container.state.host_ports = {40000};
  CHECK(ports_cell(engine::shown_ports(container.spec, container.state)) == "");
  container.state.status = container::Status::running;
  CHECK(ports_cell(engine::shown_ports(container.spec, container.state)) ==
        "53/udp, 80-81/tcp, 0.0.0.0:40000->8000/tcp");
  container.spec.network = "host";
  CHECK(ports_cell(engine::shown_ports(container.spec, container.state)) == "0.0.0.0:40000->8000/tcp");
}

TEST_CASE("the health is what the status says") {
  CHECK(health_word("Up 3 minutes (healthy)") == "healthy");
  CHECK(health_word("Up 3 minutes (health: starting)") == "starting");
  CHECK(health_word("Up 3 minutes (Paused)") == "");
}

/// Names of those that pass `words` of --filter.
std::string passed(const std::vector<std::string>& words) {
  constexpr Option option = {"filter", 'f', "filter", ""};
  Arguments arguments;
  for (const auto& word : words) arguments.add(option, word);
  FilterContext context{three(), {}};
  image::Image base, child;
  base.config.digest = "sha256:" + std::string(64, '1');
  base.name = "docker.io/library/nginx:latest";
  base.diff_ids = {"sha256:x"};
  child.config.digest = "sha256:" + std::string(64, '2');
  child.name = "docker.io/library/mine:1";
  child.diff_ids = {"sha256:x", "sha256:y"};
  context.images = {base, child};
  context.all[0].spec.image_id = base.id();
  context.all[0].spec.exposed = {"9000/tcp"};
  context.all[1].spec.image_id = child.id();
  std::string names;
  for (const auto& one : filtered(Filters(arguments, kContainerFilters), context)) {
    names += (names.empty() ? "" : " ") + one.spec.name;
  }
  return names;
}

TEST_CASE("filters of one name are alternatives, of different names conditions, and labels are all needed") {
  CHECK(passed({}) == "web old new");
  CHECK(passed({"name=web", "name=^old$"}) == "web old");
  CHECK(passed({"name=e", "status=created"}) == "new");
  CHECK(passed({"name=/web"}) == "web");
  CHECK(passed({"id=bbb"}) == "old");
  CHECK(passed({"label=env"}) == "web old new");
  CHECK(passed({"label=env=old"}) == "old");
  CHECK(passed({"label=env=old", "label=com.example.tier=front"}) == "old");
  CHECK(passed({"label=env=old", "label=env=web"}) == "");
  CHECK(passed({"status=exited", "status=running"}) == "web old");
  CHECK(passed({"exited=3"}) == "old");
  CHECK(passed({"exited=0"}) == "");
}

TEST_CASE("filters look at other containers, images, ports, networks and volumes") {
  CHECK(passed({"before=web"}) == "old new");
  CHECK(passed({"since=new"}) == "web old");
  CHECK(passed({"since=ccc", "before=aaaaaa"}) == "old");
  CHECK(passed({"ancestor=nginx"}) == "web old new");
  CHECK(passed({"ancestor=mine:1"}) == "old");
  CHECK(passed({"ancestor=1111"}) == "web old");
  CHECK(passed({"publish=80"}) == "web");
  CHECK(passed({"publish=50-60/udp"}) == "web");
  CHECK(passed({"publish=8080"}) == "");
  CHECK(passed({"expose=9000"}) == "web");
  CHECK(passed({"expose=80/tcp"}) == "web");
  CHECK(passed({"network=bridge"}) == "web");
  CHECK(passed({"network=none"}) == "old new");
  CHECK(passed({"volume=data"}) == "web");
  CHECK(passed({"volume=/mnt"}) == "web");
  CHECK(passed({"volume=/etc/hosts"}) == "");
  CHECK(passed({"health=none"}) == "web old new");
}

TEST_CASE("what can't be filtered by is named") {
  CHECK_THROWS_WITH_AS(passed({"status=asleep"}), "invalid filter 'status=asleep'", UsageError);
  CHECK_THROWS_WITH_AS(passed({"exited=x"}), "invalid filter 'exited=x'", UsageError);
  CHECK_THROWS_WITH_AS(passed({"colour=red"}), "invalid filter 'colour'", UsageError);
  CHECK_THROWS_WITH_AS(passed({"before=nobody"}), "No such container: nobody", NotFound);
  CHECK_THROWS_WITH_AS(passed({"name=("}), "'(' is no regular expression", UsageError);
  CHECK_THROWS_AS(passed({"name"}), FlagError);
}

}  // namespace
}  // namespace sandbox::cli
