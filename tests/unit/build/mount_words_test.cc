#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/build/mount_words.h"

using namespace sandbox;
using namespace sandbox::build;

namespace {

std::string of(std::string_view text) { return to_json(parse_step_mount(text, "/work")).dump(); }

}  // namespace

TEST_CASE("a mount's words are completed with BuildKit's defaults") {
  CHECK(of("target=/x") == R"({"read_only":true,"target":"/x","type":"bind"})");
  CHECK(of("type=bind,src=/a/b/,dst=c,rw") == R"({"source":"a/b","target":"/work/c","type":"bind"})");
  CHECK(of("type=cache,target=/root/.npm,uid=7,mode=0700") ==
        R"({"id":"/root/.npm","mode":448,"owner":"7:0","sharing":"shared","target":"/root/.npm","type":"cache"})");
  CHECK(of("type=cache,id=apt,sharing=locked,target=/var/../var/cache/apt") ==
        R"({"id":"apt","sharing":"locked","target":"/var/cache/apt","type":"cache"})");
  CHECK(of("type=secret,id=key") == R"({"id":"key","target":"/run/secrets/key","type":"secret"})");
  CHECK(of("type=secret,target=/etc/token") == R"({"id":"token","target":"/etc/token","type":"secret"})");
  CHECK(of("type=secret,id=key,env=KEY") == R"({"env":"KEY","id":"key","target":"","type":"secret"})");
  CHECK(of("type=ssh") == R"({"id":"default","target":"/run/buildkit/ssh_agent.0","type":"ssh"})");
  CHECK(of("type=tmpfs,target=/t,size=2m") == R"({"size":2097152,"target":"/t","type":"tmpfs"})");
}

TEST_CASE("a mount that makes no sense is refused") {
  for (const char* bad : {"", "type=moon,target=/x", "type=cache", "target=/", "target=/proc/self", "target=/x/../proc",
                          "target=/dev", "type=cache,target=/x,sharing=none", "type=tmpfs,target=/x,size=x",
                          "target=/x,mode=9", "target=/x,uid=-1", "target=/x,what", "target=/x,what=1", "type=secret",
                          "target=/x,ro=2", "type=tmpfs,target=/x,size=99999999999999t"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS((void)parse_step_mount(bad, "/"), InvalidInput);
  }
}
