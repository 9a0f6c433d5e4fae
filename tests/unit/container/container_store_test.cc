#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/process.h"
#include "sandbox/container/container_store.h"
#include "sandbox/container/supervisor_lock.h"
#include "temporary_places.h"

using namespace sandbox;
using namespace sandbox::container;

namespace {

Spec named(const std::string& name, char digit = 0) {
  Spec spec;
  spec.name = name;
  if (digit != 0) spec.id = std::string(64, digit);
  return spec;
}

}  // namespace

TEST_CASE("a created container has its directories, its filter and the state 'created'") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  Spec spec = named("web");
  spec.plan.process.seccomp.resize(16, std::byte{7});
  const Container made = store.create(spec);
  CHECK(path_exists(made.directory + "/upper"));
  CHECK(path_exists(made.directory + "/work"));
  CHECK(made.directory == store.directory_of(made.spec.id));
  const Container found = store.find("web");
  CHECK(found.spec.id == made.spec.id);
  CHECK(found.state.status == Status::created);
  CHECK(read_seccomp(found) == spec.plan.process.seccomp);
}

TEST_CASE("a name that is taken is a conflict and leaves nothing behind") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  store.create(named("web"));
  CHECK_THROWS_AS(store.create(named("web")), Conflict);
  CHECK(store.list().size() == 1);
}

TEST_CASE("a container is found by name, id and unique prefix") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  store.create(named("first", 'a'));
  store.create(named("second", 'b'));
  store.create(named("aa", 'c'));
  CHECK(store.find("b").spec.name == "second");
  CHECK(store.find(std::string(64, 'a')).spec.name == "first");
  CHECK(store.find("aaa").spec.name == "first");
  CHECK_MESSAGE(store.find("aa").spec.name == "aa", "a name goes before a prefix");
  CHECK_THROWS_WITH_AS(store.find("zz"), "No such container: zz", NotFound);
  CHECK_THROWS_AS(store.find(""), NotFound);
  CHECK_THROWS_AS(store.find("../first"), NotFound);
}

TEST_CASE("an ambiguous prefix is a conflict") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  Spec one = named("one"), two = named("two");
  one.id = std::string(63, 'a') + "1";
  two.id = std::string(63, 'a') + "2";
  store.create(one);
  store.create(two);
  CHECK_THROWS_AS(store.find("aaaa"), Conflict);
}

TEST_CASE("a running container of a dead or different supervisor is shown as exited with 137") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  const Container made = store.create(named("web"));
  State state;
  state.status = Status::running;
  state.supervisor_pid = ::getpid();
  state.supervisor_start = process_start_time(::getpid());
  store.write_state(made, state);
  CHECK(store.find("web").state.status == Status::running);
  CHECK_THROWS_AS(store.remove(made), Conflict);

  state.supervisor_start += 1;  // the number went to another process
  store.write_state(made, state);
  CHECK(store.find("web").state.status == Status::exited);
  CHECK(store.find("web").state.exit_code == 137);

  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  CHECK_MESSAGE(process_start_time(child) == 0, "a zombie does not live");
  ::waitpid(child, nullptr, 0);
  CHECK(process_start_time(child) == 0);
}

TEST_CASE("a removed container is gone and its name is free") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  const Container made = store.create(named("web"));
  store.remove(made);
  CHECK_FALSE(path_exists(made.directory));
  CHECK_THROWS_AS(store.remove(made), NotFound);
  store.create(named("web"));
}

TEST_CASE("a container of an earlier version is listed, found and changed like any other") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  Spec spec = named("old");
  spec.plan.process.argv = {"sleep", "1"};
  spec.plan.network.emplace();
  const Container made = store.create(spec);
  Json earlier = to_json(made.spec);
  for (const char* later : {"command", "network", "mounts"}) earlier.erase(later);
  earlier["version"] = 9;
  write_file_atomic(made.directory + "/container.json", earlier.dump());
  const auto look = [&] {
    REQUIRE(store.entries().size() == 1);
    const Entry entry = store.entries().front();
    CHECK(entry.spec.command == spec.plan.process.argv);
    CHECK(entry.spec.network == "bridge");
    return entry.spec.name;
  };
  CHECK(look() == "old");
  store.rename(store.find("old"), "new");
  CHECK(look() == "new");
  CHECK(read_file(made.directory + "/container.json").find('\n') != std::string::npos);
  CHECK(store.find("new").spec.plan.process.argv == spec.plan.process.argv);
}

TEST_CASE("a container whose plan is damaged is listed, but neither found nor in the way of another") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  const Container bad = store.create(named("bad", 'a'));
  const std::string text = read_file(bad.directory + "/container.json");
  write_file_atomic(bad.directory + "/container.json", text.substr(0, text.find('\n') + 1) + "{}\n");
  CHECK(store.entries().size() == 1);
  CHECK(store.list().empty());
  CHECK_THROWS_WITH_AS(store.find("bad"), "container description: field 'plan' is missing", InvalidInput);
  store.create(named("good", 'b'));
  CHECK(store.remove_unreadable("aa"));
  CHECK(store.entries().size() == 1);
}

TEST_CASE("an unreadable container is left out of the list") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  store.create(named("good"));
  const Container bad = store.create(named("bad"));
  write_file_atomic(bad.directory + "/container.json", "{");
  for (const std::string& name : {store.list().front().spec.name, store.entries().front().spec.name}) {
    CHECK(name == "good");
  }
  CHECK(store.list().size() == 1);
  CHECK(store.entries().size() == 1);
}

TEST_CASE("an unreadable container is removed by what its id begins with, when that is unique and nobody runs it") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  const Container good = store.create(named("good", '1'));
  const Container bad = store.create(named("bad", '2'));
  const Container worse = store.create(named("worse", '3'));
  write_file_atomic(bad.directory + "/container.json", "{");
  write_file_atomic(bad.directory + "/state.json", "[]");
  write_file_atomic(worse.directory + "/container.json", R"({"version": 999})");
  const Container empty = store.create(named("empty", '4'));
  for (const char* file : {"/container.json", "/state.json"}) {
    REQUIRE(::unlink((empty.directory + file).c_str()) == 0);
  }
  CHECK_FALSE(store.remove_unreadable("1"));
  CHECK_FALSE(store.remove_unreadable(""));
  CHECK_FALSE(store.remove_unreadable("bad"));
  {
    const SupervisorLock running(worse);
    const pid_t child = ::fork();  // such a lock does not exclude its own process
    if (child == 0) {
      try {
        (void)store.remove_unreadable("3");
      } catch (const Conflict&) {
        ::_exit(7);
      }
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WEXITSTATUS(status) == 7);
  }
  CHECK(store.remove_unreadable("3"));
  CHECK(store.remove_unreadable("22"));
  CHECK(store.remove_unreadable("4"));
  CHECK_FALSE(path_exists(empty.directory));
  CHECK_FALSE(path_exists(bad.directory));
  CHECK_FALSE(path_exists(worse.directory));
  CHECK(path_exists(good.directory));
}

TEST_CASE("a container that a power cut has emptied is nobody's, and swept") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  for (const std::string& content : {std::string{}, std::string(200, '\0')}) {
    const Container lost = store.create(named("web"));
    write_file_atomic(lost.directory + "/container.json", content);
    CHECK(store.list().empty());
    const Container made = store.create(named("web"));
    CHECK_FALSE(path_exists(lost.directory));
    store.remove(made);
  }
}

TEST_CASE("a container whose state a power cut has emptied has ended") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  const Container made = store.create(named("web"));
  store.make_durable(made);
  write_file_atomic(made.directory + "/state.json", "");
  REQUIRE(store.list().size() == 1);
  CHECK(store.list().front().state.status == Status::exited);
  store.remove(made);
  CHECK(store.list().empty());
}

TEST_CASE("arguments that are not UTF-8 are refused at create") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  Spec spec = named("web");
  spec.plan.process.argv = {"echo", "\xff"};
  CHECK_THROWS_AS(store.create(spec), InvalidInput);
  CHECK(store.list().empty());
}

TEST_CASE("a sweep takes what a dead process has left, and only that") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  Spec spec = named("passing");
  spec.auto_remove = true;
  const Container passing = store.create(spec);
  store.create(named("staying"));
  make_directories(temporary.places.data + "/containers/.old-x/upper");
  make_directories(temporary.places.data + "/containers/.new-x/upper");
  store.sweep();
  CHECK(store.list().size() == 2);  // this process, its creator, is alive
  CHECK_FALSE(path_exists(temporary.places.data + "/containers/.old-x"));
  CHECK_FALSE(path_exists(temporary.places.data + "/containers/.new-x"));

  State orphaned = passing.state;
  orphaned.supervisor_start += 1;  // a process that this number once was
  store.write_state(passing, orphaned);
  store.sweep();
  REQUIRE(store.list().size() == 1);
  CHECK(store.list().front().spec.name == "staying");
}

TEST_CASE("a second supervisor of one container is a conflict") {
  TemporaryPlaces temporary;
  ContainerStore store(temporary.places);
  const Container made = store.create(named("web"));
  const SupervisorLock lock(made);
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      SupervisorLock second(made);
      ::_exit(0);
    } catch (const Conflict&) {
      ::_exit(3);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 3);
}
