// What is said of a container's end of a network.
#include "sandbox/engine/attachments.h"

#include <doctest/doctest.h>

#include "sandbox/base/error.h"

using namespace sandbox;
using namespace sandbox::engine;

namespace {

container::Network network() {
  container::Network made;
  made.id = std::string(64, 'a');
  made.name = "mynetwork";
  made.subnet = "172.50.0.0/16";
  made.gateway = "172.50.0.1";
  made.reserved = {{"router", "172.50.0.2"}};
  return made;
}

NetworkWord word(std::string address, std::vector<std::string> aliases = {}) {
  return {.name = "mynetwork", .aliases = std::move(aliases), .address = std::move(address), .hardware_address = {}};
}

RunRequest request_for(const std::vector<std::string>& words) {
  RunRequest request;
  set_networks(request, words);
  return request;
}

}  // namespace

TEST_CASE("a word of --network is a name, or its fields") {
  CHECK(parse_network_word("mynetwork").name == "mynetwork");
  const NetworkWord whole = parse_network_word("name=n,alias=a,alias=b,ip=172.50.0.9,mac-address=02:42:ac:11:00:02");
  CHECK(whole.name == "n");
  CHECK(whole.aliases == std::vector<std::string>{"a", "b"});
  CHECK(whole.address == "172.50.0.9");
  CHECK(whole.hardware_address == "02:42:ac:11:00:02");
  for (const char* text : {"alias=a", "name=n,alias", "name=n,size=1"}) {
    CHECK_THROWS_AS((void)parse_network_word(text), UsageError);
  }
  CHECK_THROWS_AS((void)parse_network_word("name=n,ip6=::1"), Unsupported);
}

TEST_CASE("networks of the user's own don't go with modes") {
  CHECK(request_for({}).network == "private");
  CHECK(request_for({"bridge"}).network == "private");
  CHECK(request_for({"none"}).network == "none");
  const RunRequest two = request_for({"one", "name=two,alias=a"});
  CHECK(two.network == "defined");
  CHECK(two.networks == std::vector<std::string>{"one", "name=two,alias=a"});
  CHECK_THROWS_AS((void)request_for({"one", "host"}), UsageError);
}

TEST_CASE("an attachment has its words in one form") {
  NetworkWord words = word("172.50.0.9", {"db", "a_b.c"});
  words.hardware_address = "02-42-AC-11-00-02";
  const container::Attachment made = plan_attachment(network(), words);
  CHECK(made.network == network().id);
  CHECK(made.name == "mynetwork");
  CHECK(made.address == "172.50.0.9");
  CHECK(made.hardware_address == "02:42:ac:11:00:02");
  CHECK(made.aliases == words.aliases);
  CHECK(plan_attachment(network(), word("")).address.empty());
}

TEST_CASE("an attachment gets no address that is no member's") {
  for (const char* address : {"here", "172.51.0.1", "172.50.0.0", "172.50.0.1", "172.50.0.2", "172.50.255.254",
                              "172.50.255.255", "172.50.0.9/16", "::1"}) {
    CAPTURE(address);
    CHECK_THROWS_AS((void)plan_attachment(network(), word(address)), UsageError);
  }
}

TEST_CASE("names on a network are names") {
  for (const char* name : {"", " ", "a b", "a\n", "a:b", "a#"}) {
    CAPTURE(name);
    CHECK_THROWS_AS((void)plan_attachment(network(), word("", {name})), UsageError);
  }
}
