#include "sandbox/image/credential_helper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <chrono>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::image {
namespace {

constexpr auto time_limit = std::chrono::seconds(10);
constexpr std::size_t answer_limit = 64U << 10;

std::string program_of(const std::string& helper) {
  const bool safe = !helper.empty() && std::ranges::all_of(helper, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
  if (!safe) throw InvalidInput(fmt::format("'{}' is no name of a credential helper", helper));
  return "docker-credential-" + helper;
}

struct SpawnActions {
  posix_spawn_file_actions_t actions;
  SpawnActions() { ::posix_spawn_file_actions_init(&actions); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
};

/// Everything that the program writes until it ends; it is killed when the time is over.
std::string read_until_end(int fd, pid_t child, const std::string& program) {
  const auto deadline = std::chrono::steady_clock::now() + time_limit;
  std::string answer;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd item{fd, POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&item, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    char buffer[4096];
    const auto count = ready > 0 ? sys::read(fd, buffer, sizeof buffer) : Result<std::size_t>(std::unexpected(Errno{ETIMEDOUT}));
    if (count && *count == 0) return answer;
    if (count) answer.append(buffer, *count);
    if (count && answer.size() <= answer_limit) continue;
    ::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, 0);
    throw Error(fmt::format("'{}' {}", program, count ? "answers without end" : "did not answer in time"));
  }
}

struct Answer {
  bool ok = false;  ///< It ended with 0.
  std::string text;
  std::string first_line() const { return text.substr(0, text.find('\n')); }
};

/// Runs docker-credential-`helper` with `verb` and gives it `input`.
Answer run(const std::string& helper, std::string verb, const std::string& input) {
  std::string program = program_of(helper);
  sys::Pair to = sys::pipe() | or_throw("making a pipe"), from = sys::pipe() | or_throw("making a pipe");
  SpawnActions spawn;
  ::posix_spawn_file_actions_adddup2(&spawn.actions, to.first.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&spawn.actions, from.second.get(), STDOUT_FILENO);
  char* const argv[] = {program.data(), verb.data(), nullptr};
  pid_t child = 0;
  if (const int error = ::posix_spawnp(&child, program.c_str(), &spawn.actions, nullptr, argv, environ); error != 0) {
    throw SysError(Errno{error}, fmt::format("running '{}'", program),
                   "a file of credentials names this helper: install it, or remove its entry");
  }
  to.first.reset();
  from.second.reset();
  // What is written is far shorter than a pipe; a helper that does not read it is no reason for SIGPIPE.
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  (void)sys::write_all(to.second.get(), input.data(), input.size());
  ::signal(SIGPIPE, before);
  to.second.reset();
  Answer answer{false, read_until_end(from.first.get(), child, program)};
  int status = 0;
  (void)::waitpid(child, &status, 0);
  answer.ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return answer;
}

bool knows_none(const Answer& answer) { return answer.text.contains("credentials not found"); }

}  // namespace

Credentials ask_credential_helper(const std::string& helper, const std::string& server) {
  const Answer answer = run(helper, "get", server);
  if (!answer.ok && knows_none(answer)) return {};
  if (!answer.ok) throw Error(fmt::format("'{}' failed: {}", program_of(helper), answer.first_line()));
  const Json document = parse_json(answer.text, program_of(helper));
  const auto text = [&](const char* key) {
    if (!document.is_object() || !document.contains(key) || !document[key].is_string()) {
      throw InvalidInput(fmt::format("'{}' answers without '{}'", program_of(helper), key));
    }
    return document[key].get<std::string>();
  };
  const std::string user = text("Username");
  if (user == "<token>") return {{}, {}, text("Secret")};
  return {user, text("Secret"), {}};
}

std::string tell_credential_helper(const std::string& helper, const std::string& server,
                                   const Credentials& credentials) {
  const Json document = {{"ServerURL", server}, {"Username", credentials.user}, {"Secret", credentials.password}};
  const Answer answer = run(helper, "store", document.dump());
  if (!answer.ok) throw Error(fmt::format("'{}' failed: {}", program_of(helper), answer.first_line()));
  return program_of(helper);
}

bool erase_from_credential_helper(const std::string& helper, const std::string& server) {
  if (ask_credential_helper(helper, server).empty()) return false;
  const Answer answer = run(helper, "erase", server);
  if (!answer.ok) throw Error(fmt::format("'{}' failed: {}", program_of(helper), answer.first_line()));
  return true;
}

}  // namespace sandbox::image
