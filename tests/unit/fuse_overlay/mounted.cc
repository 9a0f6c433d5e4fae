#include "mounted.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/sys.h"
#include "userns/root.h"

namespace sandbox::overlay::test {
namespace fs = std::filesystem;
namespace {

void write_map(const char* file, const std::string& text) {
  const Fd fd = sys::openat(AT_FDCWD, file, O_WRONLY) | or_throw("opening '{}'", file);
  sys::write_all(fd.get(), text.data(), text.size()) | or_throw("writing '{}'", file);
}

void enter_namespaces() {
  const std::string uid = fmt::format("0 {} 1", ::getuid()), gid = fmt::format("0 {} 1", ::getgid());
  sys::unshare(CLONE_NEWUSER | CLONE_NEWNS) | or_throw("unshare");
  write_map("/proc/self/setgroups", "deny");
  write_map("/proc/self/uid_map", uid);
  write_map("/proc/self/gid_map", gid);
  ::umask(0);
}

userns::RootPlan plan_of(const ServerConfig& config, Rung rung) {
  userns::RootPlan plan;
  plan.lower = config.lower;
  plan.upper = config.upper;
  plan.work = config.work;
  plan.driver = rung == Rung::fuse ? userns::RootDriver::fuse : userns::RootDriver::overlay;
  return plan;
}

/// In the child. The answer's first byte says whether it is a result.
void enter_and_run(const ServerConfig& config, Rung rung, int channel, const std::function<std::string()>& inside) {
  std::string answer;
  try {
    enter_namespaces();
    if (rung == Rung::native) {
      fs::current_path(config.upper);
    } else {
      const Fd root = userns::mount_root(plan_of(config, rung), [channel](const Fd& device, const Fd& user_namespace) {
        const int fds[] = {device.get(), user_namespace.get()};
        constexpr std::byte word{'o'};
        sys::send_message(channel, {&word, 1}, fds) | or_throw("sending the device");
      });
      if (::fchdir(root.get()) < 0) throw SysError(Errno{errno}, "entering the root");
    }
    answer = "r" + inside();
  } catch (const std::exception& error) {
    answer = std::string("e") + error.what();
  }
  (void)sys::send_message(channel, std::as_bytes(std::span(answer)), {});
}

/// "lookup 12, getattr 3"
Requests parse_requests(const std::string& line) {
  Requests counts;
  std::istringstream words(line);
  std::string kind;
  for (int count = 0; words >> kind >> count; words.ignore(1)) counts[kind] = count;
  return counts;
}

std::string describe(const std::string& path) {
  const auto status = sys::fstatat(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW) | or_throw("stat '{}'", path);
  std::string line = fmt::format("{} {:o}", path, status.st_mode);
  if (S_ISLNK(status.st_mode)) line += " -> " + fs::read_symlink(path).string();
  if (!S_ISDIR(status.st_mode)) line += fmt::format(" links {} size {}", status.st_nlink, status.st_size);
  if (S_ISREG(status.st_mode)) line += fmt::format(" hash {:x}", std::hash<std::string>()(read_text(path)));
  return line + "\n";
}

}  // namespace

Layers::Layers(int lower) : path_("/var/tmp/sbx-overlay-" + random_hex(12)), lower_(lower) {
  for (int i = 0; i < lower; ++i) fs::create_directories(this->lower(i));
  for (const char* name : {"/upper", "/work"}) fs::create_directories(path_ + name);
}

Layers::~Layers() { remove_tree(path_); }

std::string Layers::lower(int index) const { return fmt::format("{}/lower{}", path_, index); }

void Layers::add(int index, const std::string& name, const std::string& content) const {
  const fs::path path = lower(index) + "/" + name;
  fs::create_directories(path.parent_path());
  std::ofstream(path) << content;
}

ServerConfig Layers::config(bool writable) const {
  ServerConfig config;
  for (int i = 0; i < lower_; ++i) config.lower.push_back(lower(i));
  if (writable) config.upper = upper(), config.work = path_ + "/work";
  config.squash.emplace();
  config.most_bytes = most_bytes;
  config.most_objects = most_objects;
  return config;
}

std::string in_merge(const Layers& layers, Rung rung, const std::function<std::string()>& inside, bool writable,
                     const std::function<void(pid_t)>& served) {
  const ServerConfig config = layers.config(writable);
  if (rung == Rung::native)
    fs::copy(layers.lower(0), layers.upper(), fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  sys::Pair channel = sys::socketpair(SOCK_SEQPACKET) | or_throw("socketpair");
  // fork(3) under ThreadSanitizer starts a thread in the child, and who has threads makes no user namespace (unshare(2)).
  const pid_t child = ::_Fork();
  if (child == 0) {
    channel.first.reset();
    enter_and_run(config, rung, channel.second.get(), inside);
    ::_exit(0);
  }
  channel.second.reset();
  HelperProcess server;
  std::string result = "ethe process inside died";
  for (;;) {
    sys::Message message = sys::receive_message(channel.first.get(), 1U << 20) | or_throw("receiving");
    if (message.data.empty()) break;
    if (message.fds.size() == 2) {
      server = spawn_overlay(config, message.fds[0], message.fds[1]);
      message.fds.clear();
      if (served) served(server.pid);
      continue;
    }
    result.assign(reinterpret_cast<const char*>(message.data.data()), message.data.size());
  }
  server.lifetime.reset();
  ::waitpid(child, nullptr, 0);
  if (server.pid > 0) ::waitpid(server.pid, nullptr, 0);
  if (result.front() != 'r') throw Error(result.substr(1));
  return result.substr(1);
}

std::string in_counted_merge(const Layers& layers, const std::function<std::string(const AskRequests&)>& inside) {
  sys::Pair question = sys::pipe() | or_throw("pipe"), answer = sys::pipe() | or_throw("pipe");
  // The server writes its counts to the standard error that it inherits.
  const Fd own_errors = sys::dup(STDERR_FILENO) | or_throw("dup");
  sys::Pair errors = sys::pipe() | or_throw("pipe");
  ::dup2(errors.second.get(), STDERR_FILENO);
  const auto line = [](const Fd& from) {
    std::string text;
    for (char byte = 0; (sys::read(from.get(), &byte, 1) | or_throw("reading")) == 1 && byte != '\n';) text += byte;
    return text;
  };
  Requests before;
  const auto ask = [&] {
    (void)sys::write(question.second.get(), "?", 1);
    Requests now = parse_requests(line(answer.first)), since = now;
    for (auto& [kind, count] : since) count -= before[kind];
    before = std::move(now);
    std::erase_if(since, [](const auto& item) { return item.second == 0; });
    return since;
  };
  const auto answer_questions = [&](pid_t server) {
    ::dup2(own_errors.get(), STDERR_FILENO);
    question.second.reset();
    for (char byte = 0; (sys::read(question.first.get(), &byte, 1) | or_throw("reading")) == 1;) {
      ::kill(server, SIGUSR1);
      const std::string text = line(errors.first) + "\n";
      sys::write_all(answer.second.get(), text.data(), text.size()) | or_throw("answering");
    }
  };
  return in_merge(layers, Rung::fuse, [&] { return inside(ask); }, true, answer_questions);
}

std::string describe_tree() {
  std::vector<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(".")) lines.push_back(describe(entry.path().string()));
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const auto& line : lines) all += line;
  return all;
}

std::string read_text(const std::string& path) {
  const auto fd = sys::openat(AT_FDCWD, path.c_str(), O_RDONLY);
  if (!fd) return "error " + fd.error().message();
  std::string text;
  char buffer[65536];
  for (;;) {
    const auto count = sys::read(fd->get(), buffer, sizeof buffer);
    if (!count) return "error " + count.error().message();
    if (*count == 0) return text;
    text.append(buffer, *count);
  }
}

int write_text(const std::string& path, const std::string& text, int flags) {
  const auto fd = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | flags, 0644);
  if (!fd) return fd.error().value;
  const auto written = sys::write_all(fd->get(), text.data(), text.size());
  return written ? 0 : written.error().value;
}

}  // namespace sandbox::overlay::test
