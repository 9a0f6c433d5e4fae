// See remote_files.h.
#include "sandbox/engine/remote_files.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <span>
#include <vector>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/image/http.h"
#include "sandbox/image/layout.h"

namespace sandbox::engine {
namespace {

constexpr int kMostRedirects = 10;
constexpr std::size_t kMostAnswer = 64U << 10;  // of git's words

struct Answer {
  bool ok = false;
  std::string text;
};

/// The environment of git: the user's, but nobody is asked, and repositories name no file of this machine.
void prepare_git_environment() {
  ::setenv("GIT_TERMINAL_PROMPT", "0", 1);
  ::setenv("GIT_ALLOW_PROTOCOL", "http:https:git:ssh", 1);
  ::setenv("LC_ALL", "C", 1);
}

/// What git writes, on either stream.
Answer git(const std::string& directory, std::vector<std::string> words) {
  words.insert(words.begin(),
               {"git", "-C", directory, "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  sys::Pair out = sys::pipe() | or_throw("making a pipe");
  const pid_t child = ::fork();
  if (child < 0) throw SysError(Errno{errno}, "starting git");
  if (child == 0) {
    if (const auto nothing = sys::openat(AT_FDCWD, "/dev/null", O_RDONLY)) ::dup2(nothing->get(), STDIN_FILENO);
    ::dup2(out.second.get(), STDOUT_FILENO);
    ::dup2(out.second.get(), STDERR_FILENO);
    prepare_git_environment();
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  out.second.reset();
  Answer answer;
  char buffer[4096];
  for (;;) {
    const auto count = sys::read(out.first.get(), buffer, sizeof buffer);
    if (!count || *count == 0) break;
    if (answer.text.size() < kMostAnswer) answer.text.append(buffer, *count);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    throw NotFound("git is needed for a repository, and is not installed", "install the package 'git'");
  answer.ok = status == 0;
  while (answer.text.ends_with('\n')) answer.text.pop_back();
  return answer;
}

std::string git_or_throw(const std::string& directory, std::vector<std::string> words, const std::string& url) {
  Answer answer = git(directory, std::move(words));
  if (!answer.ok) throw Error(fmt::format("failed to fetch the repository '{}': {}", url, answer.text));
  return std::move(answer.text);
}

/// With as little history as the server gives. Returns what to check out.
std::string fetch(const build::GitSource& source, const std::string& directory) {
  const std::string ref = source.ref.empty() ? "HEAD" : source.ref;
  if (git(directory, {"fetch", "-q", "--depth", "1", "--", source.url, ref}).ok) return "FETCH_HEAD";
  // Servers without shallow clones, and beginnings of commits: all of it.
  (void)git_or_throw(
      directory, {"fetch", "-q", "--", source.url, "HEAD", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"},
      source.url);
  return source.ref.empty() ? "FETCH_HEAD" : source.ref;
}

/// An HTTP date (RFC 9110 5.6.7), in its one form that is written today.
std::int64_t parse_http_date(const std::string& text) {
  std::tm parts{};
  return ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts) != nullptr ? ::timegm(&parts) : 0;
}

}  // namespace

std::string clone(const build::GitSource& source, const std::string& directory, bool keep_git_dir) {
  (void)git_or_throw(directory, {"init", "-q"}, source.url);
  const std::string found = fetch(source, directory);
  (void)git_or_throw(directory, {"checkout", "-q", "--detach", found}, source.url);
  const std::string commit = git_or_throw(directory, {"rev-parse", "HEAD"}, source.url);
  if (!commit.starts_with(source.commit)) {
    throw InvalidInput(fmt::format("expected checksum to match {}, got {}", source.commit, commit));
  }
  if (path_exists(directory + "/.gitmodules")) {
    (void)git_or_throw(directory, {"submodule", "-q", "update", "--init", "--recursive", "--depth", "1"}, source.url);
  }
  if (!keep_git_dir) remove_tree(directory + "/.git");
  return commit;
}

Download download(const std::string& url, const std::string& path) {
  const Fd file =
      sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600) | or_throw("creating '{}'", path);
  image::HttpConnections connections({});
  Sha256 hash;
  std::uint64_t size = 0;
  const image::HttpSink sink = [&](const image::HttpResponse&, std::span<const std::byte> data) {
    size += data.size();
    if (size > image::max_content) throw InvalidInput(fmt::format("'{}' is larger than 64 GiB", url));
    hash.update(data.data(), data.size());
    sys::write_all(file.get(), data.data(), data.size()) | or_throw("writing '{}'", path);
  };
  image::HttpRequest request;
  request.url = image::Url::parse(url);
  for (int redirects = 0;; ++redirects) {
    const image::HttpResponse answer = connections.perform(request, sink);
    if (answer.ok()) return {hash.finish(), parse_http_date(answer.header("last-modified"))};
    if (answer.failure != image::HttpFailure::none)
      throw Error(fmt::format("failed to fetch '{}': {}", url, answer.reason));
    const std::string location = answer.header("location");
    if (answer.status < 300 || answer.status >= 400 || location.empty() || redirects == kMostRedirects)
      throw Error(fmt::format("failed to fetch '{}': the server answers with status {}", url, answer.status));
    const image::Url next = request.url.resolve(location);
    if (request.url.is_https() && !next.is_https())
      throw Error(fmt::format("failed to fetch '{}': it leads to '{}', which is not encrypted", url, next.text()));
    request.url = next;
  }
}

}  // namespace sandbox::engine
