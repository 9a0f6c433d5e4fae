// The network helper's confinement: what a helper that runs an attacker's code could still do.
#include "netstack/confine.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "net_fixture.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace sandbox::netstack;
using namespace sandbox::netstack::testing;

namespace {

constexpr int kKilled = 128 + SIGSYS;

/// How a confined child ends that makes the call: kKilled, 0 when it succeeds, its errno otherwise.
int verdict(const std::function<long()>& call) {
  return in_child([&] {
    confine();
    return call() >= 0 ? 0 : errno;
  });
}

/// A field of /proc/PID/status of our only child.
std::string status_field(const std::string& status, const std::string& name) {
  const auto at = status.find("\n" + name + ":\t");
  return at == std::string::npos
             ? ""
             : status.substr(at + name.size() + 3, status.find('\n', at + 1) - at - name.size() - 3);
}

std::string status_of_only_child() {
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(::opendir("/proc"), ::closedir);
  std::string found;
  while (const dirent* entry = ::readdir(processes.get())) {
    const std::string path = fmt::format("/proc/{}/status", entry->d_name);
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !path_exists(path)) continue;
    try {
      const std::string status = read_file(path);
      if (status_field(status, "PPid") == std::to_string(::getpid())) found = status;
    } catch (const Error&) {
      continue;  // it ended meanwhile
    }
  }
  return found;
}

}  // namespace

TEST_CASE("the confined helper can't read the user's files") {
  const char* home = ::getenv("HOME");
  REQUIRE(home != nullptr);
  const std::string path = fmt::format("{}/netstack-secret-{}", home, ::getpid());
  write_text(path, "secret");
  CHECK(in_child([&] { return ::open(path.c_str(), O_RDONLY) >= 0 ? 0 : errno; }) == 0);
  CHECK(verdict([&] { return ::open(path.c_str(), O_RDONLY); }) == EACCES);
  CHECK(verdict([&] { return ::open(home, O_RDONLY | O_DIRECTORY); }) == EACCES);
  CHECK(verdict([] { return ::open("/proc/self/environ", O_RDONLY); }) == EACCES);
  CHECK(verdict([] { return ::open("/etc", O_RDONLY | O_DIRECTORY); }) == EACCES);
  CHECK(verdict([] { return ::open("/etc/resolv.conf", O_RDONLY); }) == 0);
  ::unlink(path.c_str());
}

TEST_CASE("the confined helper is killed when it would write or make a file") {
  CHECK(verdict([] { return ::open("/tmp/netstack-new", O_WRONLY | O_CREAT, 0600); }) == kKilled);
  CHECK(verdict([] { return ::open("/etc/resolv.conf", O_RDWR); }) == kKilled);
  CHECK(verdict([] { return ::unlink("/tmp/netstack-none"); }) == kKilled);
  CHECK(verdict([] { return ::memfd_create("m", 0); }) == kKilled);
}

TEST_CASE("the confined helper is killed when it would start, trace, signal or look into a process") {
  char* const words[] = {const_cast<char*>("/bin/true"), nullptr};
  CHECK(verdict([&] { return ::execve(words[0], words, words + 1); }) == kKilled);
  CHECK(verdict([] { return ::syscall(SYS_fork); }) == kKilled);
  CHECK(verdict([] { return ::syscall(SYS_clone3, nullptr, 0); }) == kKilled);
  CHECK(verdict([] { return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr); }) == kKilled);
  CHECK(verdict([] { return ::kill(::getppid(), 0); }) == kKilled);
  CHECK(verdict([] {
          char byte = 0;
          const iovec part{&byte, 1};
          return ::process_vm_readv(::getppid(), &part, 1, &part, 1, 0);
        }) == kKilled);
}

TEST_CASE("the confined helper has sockets of the Internet only") {
  CHECK(verdict([] { return ::socket(AF_INET, SOCK_STREAM, 0); }) == 0);
  CHECK(verdict([] { return ::socket(AF_INET6, SOCK_DGRAM, 0); }) == 0);
  CHECK(verdict([] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }) == EAFNOSUPPORT);
  CHECK(verdict([] { return ::socket(AF_NETLINK, SOCK_RAW, 0); }) == EAFNOSUPPORT);
  CHECK(verdict([] { return ::socket(AF_PACKET, SOCK_RAW, 0); }) == kKilled);
  CHECK(verdict([] { return ::socket(AF_VSOCK, SOCK_STREAM, 0); }) == kKilled);
}

TEST_CASE("the confined helper can't make namespaces, mounts or executable memory") {
  CHECK(verdict([] { return ::unshare(CLONE_NEWUSER); }) == kKilled);
  CHECK(verdict([] { return ::mount("none", "/tmp", "tmpfs", 0, nullptr); }) == kKilled);
  CHECK(verdict([] {
          return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                                : 0;
        }) == kKilled);
}

TEST_CASE("a serving helper is confined: no capabilities, no new privileges, filtered calls, not to be traced") {
  Guest guest([](int test) { return await_byte(test), 0; });
  {
    Helper helper((Config()));
    helper.connect(guest.take_nic());
    send_byte(guest.socket());
    CHECK(guest.exit_status() == 0);
    const std::string status = status_of_only_child();
    REQUIRE(status_field(status, "Pid") != "");
    CHECK(status_field(status, "CapEff") == "0000000000000000");
    CHECK(status_field(status, "CapPrm") == "0000000000000000");
    CHECK(status_field(status, "NoNewPrivs") == "1");
    CHECK(status_field(status, "Seccomp") == "2");
    CHECK(status_field(status, "Threads") == "1");
    const int pid = std::stoi(status_field(status, "Pid"));
    // What would still hold if the filter had a hole.
    const std::string limits = read_file(fmt::format("/proc/{}/limits", pid));
    CHECK(limits.find("Max processes             0                    0 ") != std::string::npos);
    CHECK(limits.find("Max core file size        0                    0 ") != std::string::npos);
    CHECK(::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) < 0);
  }
  CHECK(reap_helper() == 0);
}
