#include "sandbox/base/process_table.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox {
namespace {

constexpr std::size_t kLargestTable = 64U << 20;

int number_of(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

Result<struct stat> namespace_of(int pid, const char* kind) {
  return sys::fstatat(AT_FDCWD, fmt::format("/proc/{}/ns/{}", pid, kind).c_str(), 0);
}

/// In numeric order.
std::vector<int> all_processes() {
  std::vector<int> pids;
  for (const std::string& name : list_directory("/proc")) {
    if (const int pid = number_of(name); pid > 0) pids.push_back(pid);
  }
  std::ranges::sort(pids);
  return pids;
}

/// 0 of a process that is gone.
int parent_of(int pid) {
  try {
    const std::string stat = read_file(fmt::format("/proc/{}/stat", pid));
    // Field 4, behind the command, which may hold anything (proc_pid_stat(5)).
    std::istringstream rest(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
    char state = 0;
    int parent = 0;
    rest >> state >> parent;
    return parent;
  } catch (const SysError&) {
    return 0;
  }
}

std::vector<std::string> columns_of(const std::string& line) {
  std::istringstream words(line);
  return {std::istream_iterator<std::string>(words), {}};
}

/// Standard output of the host's ps(1), which writes its own errors to ours.
std::string run_ps(std::vector<std::string> words) {
  words.insert(words.begin(), "ps");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  sys::Pair pipe = sys::pipe() | or_throw("making a pipe");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pipe.second.get(), STDOUT_FILENO);
  pid_t child = -1;
  const int error = ::posix_spawnp(&child, "ps", &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw SysError(Errno{error}, "starting ps", "install it: Debian's package procps");
  pipe.second.reset();
  const std::string table = read_to_end(pipe.first.get(), "the output of ps", kLargestTable);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0)
    throw Error(
        fmt::format("ps ended with status {}", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
  return table;
}

bool is_same(const Result<struct stat>& one, const Result<struct stat>& other) {
  return one && other && one->st_ino == other->st_ino && one->st_dev == other->st_dev;
}

std::vector<int> members_of(const Result<struct stat>& space, const char* kind) {
  std::vector<int> found = all_processes();
  std::erase_if(found, [&](int pid) { return !is_same(space, namespace_of(pid, kind)); });
  return found;
}

}  // namespace

std::vector<int> processes_beside(int pid, const char* kind) { return members_of(namespace_of(pid, kind), kind); }

bool is_in(int namespace_file, const char* kind, int pid) {
  return is_same(sys::fstat(namespace_file), namespace_of(pid, kind));
}

std::vector<int> processes_in(int namespace_file, const char* kind) {
  return members_of(sys::fstat(namespace_file), kind);
}

std::vector<int> processes_below(int pid) {
  std::vector<std::pair<int, int>> parents;
  for (const int other : all_processes()) parents.emplace_back(other, parent_of(other));
  std::vector<int> found{pid};
  for (std::size_t next = 0; next < found.size(); ++next) {
    for (const auto& [other, parent] : parents) {
      if (parent == found[next]) found.push_back(other);
    }
  }
  std::ranges::sort(found);
  return found;
}

std::string only_processes(const std::string& table, const std::vector<int>& pids) {
  std::istringstream lines(table);
  std::string line, kept;
  if (!std::getline(lines, line)) throw InvalidInput("ps printed nothing");
  const auto header = columns_of(line);
  const auto column = static_cast<std::size_t>(std::ranges::find(header, "PID") - header.begin());
  if (column == header.size()) throw InvalidInput("the output of ps has no column PID");
  kept = line + "\n";
  while (std::getline(lines, line)) {
    const auto cells = columns_of(line);
    if (column < cells.size() && std::ranges::binary_search(pids, number_of(cells[column]))) kept += line + "\n";
  }
  return kept;
}

std::string process_table(std::vector<std::string> words, const std::vector<int>& pids) {
  if (words.empty()) words = {"-ef"};
  return only_processes(run_ps(std::move(words)), pids);
}

}  // namespace sandbox
