// Names of a network's members: questions, answers, and addresses that are given out.
#include "netstack/dns.h"

#include <doctest/doctest.h>

#include "frames.h"
#include "netstack/members.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

constexpr std::uint32_t kDb = 0xac120002, kWeb = 0xac120003;

/// A query for `labels`, each behind its length.
Bytes query(const std::string& labels, std::uint16_t type = 1, std::uint16_t kind = 1) {
  Bytes bytes{0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0};
  bytes.insert(bytes.end(), labels.begin(), labels.end());
  bytes.insert(bytes.end(), {0, static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type),
                             static_cast<std::uint8_t>(kind >> 8), static_cast<std::uint8_t>(kind)});
  return bytes;
}

std::string name_in(const Bytes& message) {
  const auto question = parse_question(message);
  return question ? question->name : "none";
}

Names two_members() {
  Names names("MyNet");
  names.add(kDb, {"db", "store", "0123456789ab"});
  names.add(kWeb, {"Web"});
  return names;
}

std::vector<std::uint32_t> ask(const Names& names, const std::string& name,
                               const std::map<std::string, std::string>& links = {}) {
  const auto answer = names.answer({.name = name, .type = 1, .end = 0}, links);
  return answer ? answer->addresses : std::vector<std::uint32_t>{};
}

}  // namespace

TEST_CASE("a question's name is read without regard to case") {
  CHECK(name_in(query("\2Db\5MyNet")) == "db.mynet");
  CHECK(name_in(query("\2db")) == "db");
  CHECK(name_in(query("")).empty());
}

TEST_CASE("what is no plain question of one name is for others") {
  CHECK(name_in({}) == "none");
  CHECK(name_in(query("\2db", 1, 3)) == "none");             // class CHAOS
  CHECK(name_in(query("\5db")) == "none");                   // longer than the message
  CHECK(name_in(query(std::string("\xc0\x0c"))) == "none");  // a pointer, to itself
  CHECK(name_in(query("\x40" + std::string(64, 'a'))) == "none");
  std::string endless;
  for (int i = 0; i < 5; ++i) endless += "\x3f" + std::string(63, 'a');
  CHECK(name_in(query(endless)) == "none");
  Bytes response = query("\2db");
  response[2] |= 0x80;
  CHECK(name_in(response) == "none");
  Bytes two = query("\2db");
  two[5] = 2;
  CHECK(name_in(two) == "none");
  const Bytes whole = query("\2db");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(name_in({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}) == "none");
  }
}

TEST_CASE("an answer repeats the question, and has a record for each address that there is room for") {
  const Bytes asked = query("\2db");
  const auto question = parse_question(asked);
  REQUIRE(question.has_value());
  const Bytes answer = answer_message(asked, *question, {.addresses = {kDb, kWeb}, .name = {}});
  REQUIRE(answer.size() == asked.size() + 2 * 16);
  CHECK(answer[0] == 0x12);
  CHECK(answer[2] == 0x85);  // a response, authoritative, recursion as wanted
  CHECK(answer[3] == 0x80);
  CHECK(answer[7] == 2);
  CHECK(Bytes(answer.end() - 4, answer.end()) == Bytes{0xac, 0x12, 0x00, 0x03});
  const Bytes many = answer_message(asked, *question, {.addresses = std::vector(500, kDb), .name = {}});
  CHECK(many.size() <= 512);
  CHECK(many[7] == (many.size() - asked.size()) / 16);
  const Bytes none = answer_message(asked, *question, {.result = DnsResult::no_such_name, .addresses = {}, .name = {}});
  CHECK(none[3] == 0x83);
  CHECK(answer_message(asked, *question, {.result = DnsResult::refused, .addresses = {}, .name = {}})[3] == 0x85);
  CHECK(none[7] == 0);
}

TEST_CASE("a name that a member has is answered for every type of record, with an address where that is asked for") {
  const Bytes asked = query("\2db", 28);  // AAAA
  const auto question = parse_question(asked);
  const auto answer = two_members().answer(question.value(), {});
  REQUIRE(answer.has_value());
  const Bytes message = answer_message(asked, *question, *answer);
  CHECK(message[3] == 0x80);  // there is such a name,
  CHECK(message[7] == 0);     // but no such record
}

TEST_CASE("members are found by each of their names, also behind the network's, and by their addresses") {
  Names names = two_members();
  CHECK(ask(names, "db") == std::vector{kDb});
  CHECK(ask(names, "store.mynet") == std::vector{kDb});
  CHECK(ask(names, "web") == std::vector{kWeb});
  CHECK(ask(names, "db.othernet").empty());
  CHECK(ask(names, "mynet").empty());
  CHECK(names.answer({.name = "2.0.18.172.in-addr.arpa", .type = 12, .end = 0}, {})->name == "db.mynet");
  CHECK_FALSE(names.answer({.name = "9.0.18.172.in-addr.arpa", .type = 12, .end = 0}, {}).has_value());
  CHECK_FALSE(names.answer({.name = "x.in-addr.arpa", .type = 12, .end = 0}, {}).has_value());
  names.add(kWeb, {"db"});
  CHECK(ask(names, "db") == std::vector{kDb, kWeb});
  names.remove(kDb);
  CHECK(ask(names, "db") == std::vector{kWeb});
  CHECK(ask(names, "store").empty());
}

TEST_CASE("a link's name is known to who has it alone") {
  const Names names = two_members();
  CHECK(ask(names, "cache", {{"cache", "db"}}) == std::vector{kDb});
  CHECK(ask(names, "cache").empty());
}

TEST_CASE("addresses are given out in turn, and those that are kept not at all") {
  AddressPool pool({0xac120000, 29}, {0xac120000, 29}, {0xac120001, 0xac120006});
  CHECK(pool.take_any() == 0xac120002U);
  CHECK(pool.take_any() == 0xac120003U);
  pool.give_back(0xac120002);
  CHECK(pool.take_any() == 0xac120004U);  // not the one that somebody may still believe to be another's
  CHECK(pool.take_any() == 0xac120005U);
  CHECK(pool.take_any() == 0xac120002U);
  CHECK_FALSE(pool.take_any().has_value());
  CHECK_FALSE(pool.take(0xac120003));
  pool.give_back(0xac120003);
  CHECK(pool.take(0xac120003));
  for (const std::uint32_t kept : {0xac120000U, 0xac120001U, 0xac120006U, 0xac120007U, 0xac120008U}) {
    CHECK_FALSE(pool.take(kept));
  }
}

TEST_CASE("free addresses come from the range, others of the network can be asked for") {
  AddressPool pool({0xac120000, 16}, {0xac120500, 30}, {0xac120001});
  CHECK(pool.take_any() == 0xac120500U);
  CHECK(pool.take(0xac120007));
  for (int i = 0; i < 3; ++i) CHECK(pool.take_any().has_value());
  CHECK_FALSE(pool.take_any().has_value());
}
