#include "sandbox/image/registry_helper.h"

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

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? digits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
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

/// The program's standard output; `ok` says whether it ended with 0.
std::string run(const std::string& program, const std::string& input, bool& ok) {
  sys::Pair to = sys::pipe() | or_throw("making a pipe"), from = sys::pipe() | or_throw("making a pipe");
  SpawnActions spawn;
  ::posix_spawn_file_actions_adddup2(&spawn.actions, to.first.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&spawn.actions, from.second.get(), STDOUT_FILENO);
  std::string name = program, verb = "get";
  char* const argv[] = {name.data(), verb.data(), nullptr};
  pid_t child = 0;
  if (const int error = ::posix_spawnp(&child, program.c_str(), &spawn.actions, nullptr, argv, environ); error != 0) {
    throw SysError(Errno{error}, fmt::format("running '{}'", program),
                   "~/.docker/config.json names this credential helper: install it, or remove its entry");
  }
  to.first.reset();
  from.second.reset();
  // A server's name is far shorter than a pipe; a helper that does not read it is no reason for SIGPIPE.
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  (void)sys::write_all(to.second.get(), input.data(), input.size());
  ::signal(SIGPIPE, before);
  to.second.reset();
  const std::string answer = read_until_end(from.first.get(), child, program);
  int status = 0;
  (void)::waitpid(child, &status, 0);
  ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return answer;
}

}  // namespace

std::string ask_credential_helper(const std::string& helper, const std::string& server) {
  const bool safe = !helper.empty() && std::ranges::all_of(helper, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
  if (!safe) throw InvalidInput(fmt::format("'{}' is no name of a credential helper", helper));
  const std::string program = "docker-credential-" + helper;
  bool ok = false;
  const std::string answer = run(program, server, ok);
  if (!ok) {
    if (answer.find("credentials not found") != std::string::npos) return {};
    throw Error(fmt::format("'{}' failed: {}", program, answer.substr(0, answer.find('\n'))));
  }
  const Json document = parse_json(answer, program);
  const auto text = [&](const char* key) {
    if (!document.is_object() || !document.contains(key) || !document[key].is_string()) {
      throw InvalidInput(fmt::format("'{}' answers without '{}'", program, key));
    }
    return document[key].get<std::string>();
  };
  const std::string user = text("Username");
  if (user == "<token>") throw Unsupported(fmt::format("'{}' has an identity token for '{}', only passwords are supported", program, server));
  return base64(user + ":" + text("Secret"));
}

}  // namespace sandbox::image
