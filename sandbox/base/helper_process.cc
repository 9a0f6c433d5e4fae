// See helper_process.h. posix_spawn(3) of glibc shares the memory with the child until it executes (CLONE_VFORK):
// copying page tables would cost each start a millisecond.
#include "sandbox/base/helper_process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));  // execve(2) does not write
  list.push_back(nullptr);
  return list;
}

/// posix_spawn(3) with its attributes; a failure of any step is an errno value.
class Spawn {
 public:
  Spawn() {
    check(::posix_spawn_file_actions_init(&actions_));
    check(::posix_spawnattr_init(&attributes_));
    sigset_t none;
    ::sigemptyset(&none);
    check(::posix_spawnattr_setsigmask(&attributes_, &none));
    // A session of its own: a terminal's Ctrl-C is for the container, not for its helpers.
    check(::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK));
  }
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  void give(int from, int to) { check(::posix_spawn_file_actions_adddup2(&actions_, from, to)); }
  void close_from(int first) { check(::posix_spawn_file_actions_addclosefrom_np(&actions_, first)); }
  pid_t start(const std::string& program, const std::vector<std::string>& words, const std::vector<std::string>& environment) {
    pid_t child = -1;
    check(::posix_spawn(&child, program.c_str(), &actions_, &attributes_, pointers(words).data(),
                        pointers(environment).data()));
    return child;
  }

 private:
  static void check(int error) {
    if (error != 0) throw SysError(Errno{error}, "starting a process of sandbox");
  }

  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::string describe_end(pid_t child) {
  int status = 0;
  pid_t reaped;
  do reaped = ::waitpid(child, &status, 0);
  while (reaped < 0 && errno == EINTR);
  if (reaped < 0) return "no status known";
  if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace

Fd helper_document(const std::string& document) {
  Fd file(::memfd_create("helper-config", MFD_CLOEXEC));
  if (!file) throw SysError(Errno{errno}, "making a memory file for a helper's configuration");
  sys::write_all(file.get(), document.data(), document.size()) | or_throw("writing a helper's configuration");
  if (::lseek(file.get(), 0, SEEK_SET) < 0) throw SysError(Errno{errno}, "rewinding a helper's configuration");
  return file;
}

pid_t start_self(const SelfStart& start) {
  constexpr int first = 3;
  const int count = static_cast<int>(start.descriptors.size());
  const Fd null = sys::openat(AT_FDCWD, "/dev/null", O_RDWR) | or_throw("opening '/dev/null'");
  Spawn spawn;
  for (int fd = 0; fd < (start.keeps_stderr ? 2 : 3); ++fd) spawn.give(null.get(), fd);
  std::vector<Fd> copies;  // above all targets, so that none is overwritten before its turn
  for (int i = 0; i < count; ++i) {
    copies.emplace_back(::fcntl(start.descriptors[static_cast<std::size_t>(i)], F_DUPFD_CLOEXEC, first + count));
    if (!copies.back()) throw SysError(Errno{errno}, "passing a descriptor on");
    spawn.give(copies.back().get(), first + i);
  }
  spawn.close_from(first + count);
  if (start.program < 0) return spawn.start("/proc/self/exe", start.words, start.environment);
  // By our own entry: the child's are closed by the time it executes.
  return spawn.start(fmt::format("/proc/{}/fd/{}", ::getpid(), start.program), start.words, start.environment);
}

pid_t start_helper(const std::string& mode, std::vector<int> descriptors, bool keeps_stderr) {
  SelfStart start{{"sbx:" + mode, "helper", mode}, {}, std::move(descriptors), keeps_stderr};
  for (std::size_t i = 0; i < start.descriptors.size(); ++i) start.words.push_back(std::to_string(3 + i));
  // The user's environment may hold secrets; the loader's search path is all that helps here.
  if (const char* path = ::getenv("LD_LIBRARY_PATH")) start.environment.push_back(std::string("LD_LIBRARY_PATH=") + path);
  return start_self(start);
}

void throw_helper_failure(const std::string& mode, const std::string& words, pid_t helper) {
  const std::string end = describe_end(helper);
  if (words.empty()) throw Error(fmt::format("the {} helper ended before it was ready: {}", mode, end));
  const std::size_t newline = words.find('\n');
  throw Error(words.substr(0, newline), newline == std::string::npos ? std::string{} : words.substr(newline + 1));
}

HelperProcess spawn_helper(const std::string& mode, const std::string& document, std::span<const int> extra) {
  const Fd config = helper_document(document);
  sys::Pair ready = sys::pipe() | or_throw("making a pipe for the {} helper", mode);
  sys::Pair lifetime = sys::pipe() | or_throw("making a pipe for the {} helper", mode);
  std::vector<int> fds{config.get(), ready.second.get(), lifetime.first.get()};
  fds.insert(fds.end(), extra.begin(), extra.end());
  const pid_t child = start_helper(mode, std::move(fds));
  ready.second.reset();
  // "R", or the reason.
  const std::string answer = read_to_end(ready.first.get(), "the helper's answer", 16384);
  if (answer != "R") throw_helper_failure(mode, answer, child);
  return {child, std::move(lifetime.second)};
}

std::string read_helper_document(const Fd& config) {
  return read_to_end(config.get(), "the helper's configuration", 1U << 20);
}

void answer_ready(Fd ready) { (void)sys::write_all(ready.get(), "R", 1); }

void answer_failure(Fd ready, const std::exception& error) {
  if (!ready) return;
  std::string text = error.what();
  if (const auto* own = dynamic_cast<const Error*>(&error); own != nullptr && !own->hint().empty()) {
    text += "\n" + own->hint();
  }
  (void)sys::write_all(ready.get(), text.data(), text.size());
}

}  // namespace sandbox
