#include "sandbox/engine/config_changes.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"

using namespace sandbox;

namespace {

Json changed(Json config, const std::vector<std::string>& instructions) {
  engine::apply_changes(config, instructions);
  return config;
}

}  // namespace

TEST_CASE("commands are words of JSON, or a line for the shell") {
  CHECK(changed({}, {R"(CMD ["a", "b c"])"})["Cmd"] == Json::array({"a", "b c"}));
  CHECK(changed({}, {"cmd echo $HOME"})["Cmd"] == Json::array({"/bin/sh", "-c", "echo $HOME"}));
  CHECK(changed({}, {"ENTRYPOINT [not json"})["Entrypoint"] == Json::array({"/bin/sh", "-c", "[not json"}));
}

TEST_CASE("variables are set in place, quoted, and stand for their values in what follows") {
  const Json config =
      changed({{"Env", {"A=1", "B=2"}}}, {"ENV A=${B}x C=\"d e\" D=\\$A", "ENV OLD way of it ", "USER $C"});
  CHECK(config["Env"] == Json::array({"A=2x", "B=2", "C=d e", "D=$A", "OLD=way of it"}));
  CHECK(config["User"] == "d e");
  CHECK(changed({}, {"ENV A=$NONE-${ALSO}-${B:-c}"})["Env"] == Json::array({"A=--c"}));
}

TEST_CASE("a new entrypoint takes the command of the old one away") {
  const Json config = {{"Entrypoint", {"old"}}, {"Cmd", {"x"}}};
  CHECK(changed(config, {"ENTRYPOINT [\"new\"]"}) == Json{{"Entrypoint", {"new"}}});
  CHECK(changed(config, {"CMD [\"y\"]", "ENTRYPOINT [\"new\"]"})["Cmd"] == Json::array({"y"}));
}

TEST_CASE("sets grow, and members of the wrong type give way") {
  const Json config =
      changed({{"ExposedPorts", 7}, {"Volumes", {{"/a", Json::object()}}}},
              {"EXPOSE 80 53/udp", "VOLUME /b /c", "LABEL x=1 y='2 3'", "ONBUILD RUN true", "WORKDIR /a", "WORKDIR b"});
  CHECK(config["ExposedPorts"] == Json{{"80/tcp", Json::object()}, {"53/udp", Json::object()}});
  CHECK(config["Volumes"].size() == 3);
  CHECK(config["Labels"] == Json{{"x", "1"}, {"y", "2 3"}});
  CHECK(config["OnBuild"] == Json::array({"RUN true"}));
  CHECK(config["WorkingDir"] == "/a/b");
}

TEST_CASE("what is no change of a config is refused") {
  for (const char* instruction : {"RUN true", "FROM x", "", "CMD", "ENV A", "ENV =b", "LABEL x", "EXPOSE a",
                                  "EXPOSE 1/icmp", "STOPSIGNAL SIGNONE", "ENV A=\"b"}) {
    CAPTURE(instruction);
    CHECK_THROWS_AS(changed({}, {instruction}), UsageError);
  }
}

TEST_CASE("what the container was run with goes over its image's config") {
  container::Spec spec;
  spec.own_config = {{"A=2"}, true, {"/new"}, {}, "7", "/w"};
  spec.labels = {{"l", "1"}};
  spec.ports = {{.host_ip = "0.0.0.0", .host_port = 1, .container_port = 80, .udp = true}};
  Json config = {{"Env", {"A=1"}}, {"Entrypoint", {"/old"}}, {"Cmd", {"x"}}};
  engine::apply_own_config(config, spec);
  CHECK(config == Json{{"Env", {"A=2"}},
                       {"Entrypoint", {"/new"}},
                       {"User", "7"},
                       {"WorkingDir", "/w"},
                       {"Labels", {{"l", "1"}}},
                       {"ExposedPorts", {{"80/udp", Json::object()}}}});
  config = {{"Entrypoint", {"/old"}}, {"Cmd", {"x"}}};
  spec.own_config = {{}, false, {}, {"y"}, {}, {}};
  engine::apply_own_config(config, spec);
  CHECK(config["Entrypoint"] == Json::array({"/old"}));
  CHECK(config["Cmd"] == Json::array({"y"}));
}
