// Docker's tables.
#include "sandbox/cli/table.h"

#include <doctest/doctest.h>

namespace sandbox::cli {
namespace {

TEST_CASE("columns are at least 10 wide with 3 spaces between, and the last is not padded") {
  CHECK(render_table({{"A", "B"}, {"longer than ten", "x"}}) == "A                 B\nlonger than ten   x\n");
  CHECK(render_table({{"A", "B"}}) == "A         B\n");
}

TEST_CASE("a long command is cut to 20 characters and quoted") {
  CHECK(command_cell({"sleep", "100"}, false) == "\"sleep 100\"");
  CHECK(command_cell({"/docker-entrypoint.sh", "nginx"}, false) == "\"/docker-entrypoint.…\"");
  CHECK(command_cell({"sh", "-c", "echo \"one\" two three"}, true) == "\"sh -c echo \\\"one\\\" two three\"");
}

TEST_CASE("ps shows a running container's ports and an ended one's exit status") {
  container::Container running, ended;
  running.spec.id = std::string(64, 'a');
  running.spec.name = "web";
  running.spec.image = "nginx";
  running.spec.created = 1000;
  running.spec.plan.process.argv = {"nginx"};
  running.spec.ports = {{"0.0.0.0", 8080, 80, false}, {"::1", 53, 53, true}};
  running.state.status = container::Status::running;
  running.state.started = 1000;
  ended = running;
  ended.spec.name = "old";
  ended.state.status = container::Status::exited;
  ended.state.exit_code = 3;
  ended.state.finished = 1060;
  CHECK(render_ps({running, ended}, false, 1180) ==
        "CONTAINER ID   IMAGE     COMMAND   CREATED         STATUS   "
        "                  PORTS                                    NAMES\n"
        "aaaaaaaaaaaa   nginx     \"nginx\"   3 minutes ago   Up 3 mi"
        "nutes               0.0.0.0:8080->80/tcp, [::1]:53->53/udp   web\n"
        "aaaaaaaaaaaa   nginx     \"nginx\"   3 minutes ago   Exited "
        "(3) 2 minutes ago                                            old\n");
}

TEST_CASE("neighbouring ports are shown as ranges, and a chosen port by its number") {
  container::Container container;
  container.spec.ports = {{"0.0.0.0", 8000, 80, false}, {"0.0.0.0", 8001, 81, false}, {"0.0.0.0", 8002, 82, true},
                          {"0.0.0.0", 0, 83, true}};
  container.state.host_ports = {8000, 8001, 8002, 40000};
  CHECK(ports_cell(container::published_ports(container)) ==
        "0.0.0.0:8000-8001->80-81/tcp, 0.0.0.0:8002->82/udp, 0.0.0.0:40000->83/udp");
}

TEST_CASE("control characters of strangers are shown, not obeyed") {
  CHECK(without_controls("a\033[31m\r\177b") == "a\\x1b[31m\\x0d\\x7fb");
  CHECK(without_controls("\xc2\x9b" "1m") == "\\xc2\\x9b1m");
  CHECK(without_controls("two\nlines\t\xc3\xa9") == "two\nlines\t\xc3\xa9");
}

}  // namespace
}  // namespace sandbox::cli
