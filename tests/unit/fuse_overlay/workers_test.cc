// The server's threads, with this test in the kernel's place: a socket that keeps the borders of messages is the FUSE
// device, and its duplicates are the clones. The threads run in a process of their own, which they may end.
#define FUSE_USE_VERSION 312
#include "fuse-overlay/server/workers.h"

#include <doctest/doctest.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>

#include "sandbox/base/sys.h"

using namespace sandbox;
using namespace std::chrono_literals;

namespace {

constexpr int kChannels = 4;

/// What the answering functions get.
struct Gate {
  overlay::Workers* workers = nullptr;
  int fd = -1;  ///< A byte is read before a slow answer is given.
  void pass() const {
    char byte = 0;
    (void)::read(fd, &byte, 1);
  }
};

void answer_slowly(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  static_cast<Gate*>(fuse_req_userdata(request))->pass();
  fuse_reply_err(request, 0);
}

void announce_and_answer_slowly(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) {
  const Gate& gate = *static_cast<Gate*>(fuse_req_userdata(request));
  gate.workers->before_waiting();
  gate.pass();
  fuse_reply_err(request, 0);
}

void answer_at_once(fuse_req_t request, fuse_ino_t) {
  const struct statvfs status {};
  fuse_reply_statfs(request, &status);
}

[[noreturn]] void serve(Fd device, Fd gate_fd) {
  std::vector<Fd> channels;
  for (int i = 1; i < kChannels; ++i) channels.push_back(sys::dup(device.get()) | or_throw("dup"));
  channels.push_back(std::move(device));
  overlay::Workers workers(std::move(channels), 2, [] { return false; });
  Gate gate{&workers, gate_fd.get()};
  fuse_lowlevel_ops operations{};
  operations.getattr = answer_slowly;
  operations.fsync = announce_and_answer_slowly;
  operations.statfs = answer_at_once;
  workers.start(operations, &gate);
  workers.open();
  for (;;) ::pause();
}

class Kernel {
 public:
  Kernel() {
    sys::Pair device = sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair"), gate = sys::pipe() | or_throw("pipe");
    server_ = ::fork();
    if (server_ == 0) {
      device.first.reset();
      gate.second.reset();
      serve(std::move(device.second), std::move(gate.first));
    }
    device_ = std::move(device.first);
    gate_ = std::move(gate.second);
    fuse_init_in init{};
    init.major = FUSE_KERNEL_VERSION;
    init.minor = FUSE_KERNEL_MINOR_VERSION;
    ask(FUSE_INIT, init);
    CHECK(await_answer());
  }
  ~Kernel() {
    ::kill(server_, SIGKILL);
    ::waitpid(server_, nullptr, 0);
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  void ask_slow() { ask(FUSE_GETATTR, fuse_getattr_in{}); }
  void ask_announced() { ask(FUSE_FSYNC, fuse_fsync_in{}); }
  void ask_quick() { ask(FUSE_STATFS, {}); }
  void let_pass(int count) { (void)sys::write(gate_.get(), "....", static_cast<std::size_t>(count)); }

  /// The opcode of what is answered next; 0: nothing for much longer than it takes.
  std::uint32_t await_answer() {
    pollfd item{device_.get(), POLLIN, 0};
    if (::poll(&item, 1, 20'000) != 1) return 0;
    std::array<char, 4096> bytes;
    if (const auto size = sys::read(device_.get(), bytes.data(), bytes.size()); !size || *size == 0) return 0;
    fuse_out_header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const auto asked = asked_.find(header.unique);
    if (asked == asked_.end()) return 0;
    const std::uint32_t opcode = asked->second;
    asked_.erase(asked);
    return opcode;
  }

  /// None of them is unanswered, after `slow` more have passed.
  bool all_answered(int slow) {
    let_pass(slow);
    while (!asked_.empty()) {
      if (await_answer() == 0) return false;
    }
    return true;
  }

 private:
  struct Nothing {};
  template <class Argument = Nothing>
  void ask(std::uint32_t opcode, const Argument& argument) {
    struct {
      fuse_in_header header{};
      Argument argument;
    } message{{}, argument};
    constexpr bool is_empty = std::is_same_v<Argument, Nothing>;
    const std::size_t size = sizeof message.header + (is_empty ? 0 : sizeof argument);
    message.header.len = static_cast<std::uint32_t>(size);
    message.header.opcode = opcode;
    message.header.unique = unique_ += 2;
    message.header.nodeid = FUSE_ROOT_ID;
    asked_[message.header.unique] = opcode;
    sys::write_all(device_.get(), &message, size) | or_throw("asking");
  }

  pid_t server_ = -1;
  Fd device_, gate_;
  std::uint64_t unique_ = 0;
  std::map<std::uint64_t, std::uint32_t> asked_;
};

}  // namespace

TEST_CASE("requests are answered while others take their time, however long nothing was asked before") {
  Kernel kernel;
  for (int round = 0; round < 60; ++round) {
    // The threads that were wanted last time are parked one by one meanwhile, and whoever watches over them falls
    // asleep.
    std::this_thread::sleep_for(round % 4 == 0 ? 150ms : round % 4 * 1ms);
    const int slow = 1 + round % (kChannels - 1);
    for (int i = 0; i < slow; ++i) round % 2 == 0 ? kernel.ask_slow() : kernel.ask_announced();
    kernel.ask_quick();
    REQUIRE(kernel.await_answer() == FUSE_STATFS);
    REQUIRE(kernel.all_answered(slow));
  }
}

TEST_CASE("no request is forgotten in bursts and pauses") {
  Kernel kernel;
  const auto end = std::chrono::steady_clock::now() + 3s;
  for (int round = 0; std::chrono::steady_clock::now() < end; ++round) {
    for (int i = 0; i < round % 40; ++i) kernel.ask_quick();
    if (round % 3 == 0) kernel.ask_slow();
    if (round % 5 == 0) kernel.ask_announced();
    REQUIRE(kernel.all_answered((round % 3 == 0) + (round % 5 == 0)));
    if (round % 50 == 0) std::this_thread::sleep_for((round / 50 % 20) * 3ms);
  }
}

TEST_CASE("the process ends with its device") {
  sys::Pair device = sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair");
  const pid_t server = ::fork();
  if (server == 0) {
    device.first.reset();
    serve(std::move(device.second), Fd());
  }
  device.second.reset();
  device.first.reset();
  int status = 0;
  CHECK(::waitpid(server, &status, 0) == server);
  CHECK(WIFEXITED(status));
}
