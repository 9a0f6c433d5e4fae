#include "sandbox/ownership/credentials.h"

#include <doctest/doctest.h>
#include <errno.h>

using namespace sandbox::ownership;

namespace {

constexpr Ids kRoot{}, kWww{33, 33, 33, 33};

}  // namespace

TEST_CASE("root becomes another user for good") {
  Ids ids = kRoot;
  CHECK(set_id(ids, true, 33) == 0);
  CHECK(ids == kWww);
  CHECK(set_id(ids, false, 0) == EPERM);
  CHECK(set_real_effective(ids, false, 0, kSame) == EPERM);
  CHECK(set_real_effective(ids, false, kSame, 0) == EPERM);
  CHECK(set_all(ids, false, kSame, 0, kSame) == EPERM);
  CHECK(set_id(ids, false, 33) == 0);
  CHECK(set_id(ids, false, kSame) == EINVAL);
  CHECK(ids == kWww);
}

TEST_CASE("root becomes another user for a while") {
  Ids ids = kRoot;
  CHECK(set_all(ids, true, kSame, 33, kSame) == 0);  // seteuid(3)
  CHECK(ids == Ids{0, 33, 0, 33});
  CHECK(set_id(ids, false, 5) == EPERM);
  CHECK(set_all(ids, false, kSame, 0, kSame) == 0);
  CHECK(ids == kRoot);
}

TEST_CASE("setreuid saves the effective id when the real one is set, or the effective one to another than the real") {
  Ids ids{1, 2, 3, 2};
  CHECK(set_real_effective(ids, false, kSame, 1) == 0);
  CHECK(ids == Ids{1, 1, 3, 1});
  ids = {1, 2, 3, 2};
  CHECK(set_real_effective(ids, false, kSame, 3) == 0);
  CHECK(ids == Ids{1, 3, 3, 3});
  ids = {1, 2, 3, 2};
  CHECK(set_real_effective(ids, false, 2, 1) == 0);
  CHECK(ids == Ids{2, 1, 1, 1});
  ids = {1, 2, 3, 2};
  CHECK(set_real_effective(ids, false, 3, kSame) == EPERM);  // the saved one can't become the real one
  CHECK(ids == Ids{1, 2, 3, 2});
}

TEST_CASE("setresuid without a privilege takes ids that the process has") {
  Ids ids{1, 2, 3, 2};
  CHECK(set_all(ids, false, 3, 1, 2) == 0);
  CHECK(ids == Ids{3, 1, 2, 1});
  CHECK(set_all(ids, false, kSame, kSame, 4) == EPERM);
}

TEST_CASE("setfsuid sets one of them, and fails without a word") {
  Ids ids{1, 2, 3, 2};
  set_file_system(ids, false, 9);
  CHECK(ids.file_system == 2);
  set_file_system(ids, false, 3);
  CHECK(ids.file_system == 3);
  set_file_system(ids, true, 9);
  CHECK(ids.file_system == 9);
  set_file_system(ids, true, kSame);
  CHECK(ids.file_system == 9);
}

TEST_CASE("root may give files away, their owners may only give them to a group of theirs") {
  const Credentials root, www{kWww, kWww, {4, 5}};
  CHECK(check_chown(root, true, 1, 1, 7, 8) == 0);
  CHECK(check_chown(www, false, 33, 33, kSame, 5) == 0);
  CHECK(check_chown(www, false, 33, 33, 33, 33) == 0);
  CHECK(check_chown(www, false, 33, 9, 33, 9) == 0);
  CHECK(check_chown(www, false, 33, 33, kSame, 6) == EPERM);
  CHECK(check_chown(www, false, 33, 33, 0, kSame) == EPERM);
  CHECK(check_chown(www, false, 0, 33, kSame, 5) == EPERM);
  CHECK(check_chown(www, false, 0, 0, kSame, kSame) == 0);
}

TEST_CASE("equal ids have one number, and there is an end to numbers") {
  CredentialTable table({});
  const Credentials www{kWww, kWww, {4}};
  const auto number = table.number_of(www);
  CHECK(number != 0);
  CHECK(table.number_of(www) == number);
  CHECK(table.number_of({}) == 0);
  CHECK(table[number] == www);
  CHECK(table[number + 1] == Credentials{});
  CHECK(table[UINT64_MAX] == Credentials{});
  Credentials many;
  for (Id id = 0; id < 2 * CredentialTable::kMost; ++id) {
    many.user.real = id;
    (void)table.number_of(many);
  }
  CHECK(table.number_of(many) == 0);
  CHECK(table[number] == www);
}
