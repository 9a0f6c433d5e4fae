// See registry_fixture.h.
#include "registry_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/image/unpacking.h"

using namespace sandbox::image;

namespace sandbox::testing {
namespace {

pid_t spawn(const std::vector<std::string>& command, int output) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (output >= 0) ::dup2(output, STDOUT_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  return pid;
}

std::vector<std::string> hostile_command(const std::string& mode, const std::string& log,
                                         const std::vector<std::string>& options) {
  std::vector<std::string> command = {"python3", TEST_SUPPORT_DIR "/hostile_registry.py", mode, "--log", log};
  command.insert(command.end(), options.begin(), options.end());
  return command;
}

}  // namespace

Server::Server(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("pipe failed");
  pid_ = spawn(command, ends[1]);
  ::close(ends[1]);
  output_ = ends[0];
}

Server::~Server() {
  ::close(output_);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string Server::first_line() {
  std::string line;
  for (char c = 0; ::read(output_, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

Hostile::Hostile(const std::string& mode, std::vector<std::string> options, const std::string& host)
    : server_(hostile_command(mode, dir.path() + "/log", options)), host_(host) {
  port = server_.first_line();
  reference = {host + ":" + port, "x", "latest", ""};
}

std::string Hostile::pull(const std::string& digest) {
  const Places places = places_below(dir.path());
  ImageStore store(places);
  reference.digest = digest;
  LineProgress progress([&](const std::string& line) { lines.push_back(line); });
  PullOptions options{"linux/amd64", &progress};
  if (unpacks) {
    options.unpack = [&](const Image& image, const Unpacking::Arriving& arriving) {
      return std::make_unique<Unpacking>(store, places, image, nullptr, arriving);
    };
  }
  return image::pull(store, reference, options);
}

std::string Hostile::pull_error(const std::string& digest) {
  try {
    pull(digest);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

std::string Hostile::log() const {
  const std::string path = dir.path() + "/log";
  return path_exists(path) ? read_file(path) : std::string();
}

std::size_t Hostile::files_in_store() const {
  std::size_t count = 0;
  const std::string data = dir.path() + "/data";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(data)) {
    const std::string path = entry.path().string().substr(data.size());
    if (entry.is_regular_file() && (path.contains("/tmp/") || path.contains("/blobs/"))) ++count;
  }
  return count;
}

Places places_below(const std::string& dir) {
  const Places places{dir + "/data", dir + "/runtime", {}};
  make_places(places);
  return places;
}

bool run(const std::vector<std::string>& command) {
  int status = 1;
  const pid_t pid = spawn(command, -1);
  return ::waitpid(pid, &status, 0) == pid && status == 0;
}

Environment::Environment(const char* name, const std::string& value) : name_(name) {
  if (const char* old = std::getenv(name)) {
    old_ = old;
    had_ = true;
  }
  ::setenv(name, value.c_str(), 1);
}
Environment::~Environment() {
  if (had_) ::setenv(name_, old_.c_str(), 1);
  else ::unsetenv(name_);
}

}  // namespace sandbox::testing
