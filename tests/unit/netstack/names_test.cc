// Names: the forwarder of the container's network and the host's resolv.conf. The "host" is a child in namespaces
// of its own, so that it can have an /etc/resolv.conf and servers on port 53.
#include <doctest/doctest.h>
#include <errno.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <thread>

#include "net_fixture.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

constexpr const char* kForwarder = "10.0.2.3";
constexpr int kDnsPort = 53;
constexpr int kRereadSeconds = 1;  // libslirp looks at the file again after this time

/// A guest that asks the forwarder once per byte and passes on what it got.
int asking_guest(int test, int type) {
  for (int i = 0; i < 3; ++i) {
    await_byte(test);
    const std::string answer = ask(type, kForwarder, kDnsPort);
    sys::write_all(test, answer.empty() ? "-" : answer.data(), 1) | or_throw("passing an answer on");
  }
  return 0;
}

class Host {
 public:
  Host() {
    enter_namespaces(CLONE_NEWNET | CLONE_NEWNS);
    bring_up_loopback();
    sys::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) | or_throw("making the mounts private");
    sys::mount("none", "/etc", "tmpfs", 0, nullptr) | or_throw("mounting an /etc");
    write_text("/etc/resolv.conf", "nameserver 127.0.0.1\n");
  }

  /// Which of two servers answers the guest: "A" on 127.0.0.1, "B" on 127.0.0.2.
  char answer_to(const Guest& guest, int type) {
    sys::Pair ready = sys::pipe() | or_throw("pipe");
    const pid_t server = ::fork();
    if (server == 0) serve(type, ready.second.get());
    ready.second.reset();
    await_byte(ready.first.get());
    send_byte(guest.socket());
    char answer = 0;
    static_cast<void>(sys::read(guest.socket(), &answer, 1) | or_throw("the guest's answer"));
    ::kill(server, SIGKILL);
    ::waitpid(server, nullptr, 0);
    return answer;
  }

 private:
  [[noreturn]] static void serve(int type, int ready) {
    const Fd first = bound(type, "127.0.0.1", kDnsPort), second = bound(type, "127.0.0.2", kDnsPort);
    send_byte(ready);
    for (;;) {
      if (arrives(first, 20)) answer_once(first, type, "A");
      if (arrives(second, 20)) answer_once(second, type, "B");
    }
  }
};

/// 0, or the number of the step that went wrong.
int forwarder_follows_the_host(int type, Tun tun) {
  Guest guest([type](int test) { return asking_guest(test, type); }, tun);
  Host host;
  Helper helper((Config()));
  helper.connect(guest.take_nic());
  if (host.answer_to(guest, type) != 'A') return 1;
  const auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1000 * kRereadSeconds + 100)); };
  wait();
  write_text("/etc/resolv.conf", "# changed in place\nnameserver 127.0.0.2\n");
  if (host.answer_to(guest, type) != 'B') return 2;
  wait();
  write_text("/etc/resolv.conf.new", "nameserver 127.0.0.1\n");
  if (::rename("/etc/resolv.conf.new", "/etc/resolv.conf") != 0) return 3;
  if (host.answer_to(guest, type) != 'A') return 4;
  return guest.exit_status();
}

}  // namespace

TEST_CASE("the forwarder uses the host's name server, also after resolv.conf has changed in place or by rename") {
  for (const Tun tun : {Tun::present, Tun::missing}) {
    for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
      CAPTURE(static_cast<int>(tun));
      CAPTURE(type);
      CHECK(in_child([&] { return forwarder_follows_the_host(type, tun); }) == 0);
    }
  }
}

TEST_CASE("a query that nobody answers leaves the confined helper alive") {
  Guest guest([](int test) {
    await_byte(test);
    const Fd socket = make_socket(SOCK_DGRAM);
    const sockaddr_in address = address_of(kForwarder, kDnsPort);
    ::connect(socket.get(), generic(address), sizeof address);
    for (int i = 0; i < 3; ++i) {
      ::send(socket.get(), "?", 1, 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(700));
    }
    return 0;
  });
  std::optional<Helper> helper(std::in_place, Config{});
  helper->connect(guest.take_nic());
  send_byte(guest.socket());
  CHECK(guest.exit_status() == 0);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == 0);
  helper.reset();
  CHECK(reap_helper() == 0);
}
