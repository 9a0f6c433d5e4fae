#include "world.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "actor.h"
#include "generator.h"
#include "sandbox/base/error.h"

namespace sandbox::overlay::test {
namespace fs = std::filesystem;
namespace {

constexpr int kLayers = 3;
constexpr const char* kDirectories[] = {"a", "b", "a/c", "a/c/d", "b/d", "b/e", "e"};
constexpr const char* kLeaves[] = {"a", "b", "c", "d", "f", "g", ".wh.b"};
constexpr long kSizes[] = {0, 1, 100, 4096, 5000, 70000, 131072, 300000};

/// One lower layer; what upper ones of the three hide below them, it decides, too.
class LayerMaker {
 public:
  /// `below`: the root of the next layer; empty: there is none.
  LayerMaker(std::string root, std::string below, const World& world, std::mt19937& random)
      : root_(std::move(root)), below_(std::move(below)), has_hard_cases_(world.has_hard_cases), random_(random) {}

  void make() {
    for (const char* name : kDirectories) {
      if (below(4) != 0) make_directory(name);
    }
    for (int i = 0; i < 22; ++i) make_entry(i);
  }

  static void set_times(const std::string& root) {
    std::vector<std::string> paths = {root};
    for (const auto& entry : fs::recursive_directory_iterator(root)) paths.push_back(entry.path());
    for (const std::string& path : paths) {
      const std::string name = path.substr(root.size());
      const auto hash = digest(name.data(), name.size());
      const timespec time{1000000000 + static_cast<time_t>(hash % 1000000), static_cast<long>(hash % 1000000000)};
      const timespec times[2] = {time, time};
      ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
    }
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  std::string place() {
    const std::string directory =
        directories_.empty() || below(5) == 0 ? root_ : directories_[below(directories_.size())];
    return directory + "/" + kLeaves[below(std::size(kLeaves))];
  }
  void make_directory(const std::string& name) {
    const std::string path = root_ + "/" + name;
    std::error_code error;
    if (!fs::create_directories(path, error)) return;
    directories_.push_back(path);
    if (!below_.empty() && below(4) == 0) {
      ::setxattr(path.c_str(), "user.overlay.opaque", "y", 1, 0);
      opaque_.push_back(path + "/");
    }
    if (below(5) == 0) ::setxattr(path.c_str(), "user.a", "of a directory", 14, 0);
    if (below(6) == 0) ::chmod(path.c_str(), 02775);
  }
  void make_entry(int kind) {
    const std::string path = place();
    if (fs::exists(fs::symlink_status(path))) return;
    const bool hides = kind >= 4 && kind < 8 && is_merged(path);
    if (kind == 0 && has_hard_cases_)
      ::mkfifo(path.c_str(), 0620);
    else if (kind == 1 && has_hard_cases_)
      ::mknod(path.c_str(), S_IFSOCK | 0600, 0);
    else if (kind < 4)
      fs::create_symlink(kLeaves[below(std::size(kLeaves))], path);
    else if (hides)
      ::mknod(path.c_str(), S_IFCHR, 0);
    else if (kind < 12 && has_hard_cases_ && !files_.empty())
      fs::create_hard_link(files_[below(files_.size())], path);
    else
      make_file(path);
  }
  /// Whether the directory of this path has something below. Kernel overlayfs lists whiteouts elsewhere (README.md).
  bool is_merged(const std::string& path) const {
    const auto covers = [&](const std::string& directory) { return path.starts_with(directory); };
    const std::string beneath = below_ + fs::path(path).parent_path().string().substr(root_.size());
    std::error_code error;
    return !below_.empty() && std::none_of(opaque_.begin(), opaque_.end(), covers) &&
           fs::canonical(beneath, error) == beneath && fs::is_directory(beneath);
  }
  void make_file(const std::string& path) {
    const long size = kSizes[below(std::size(kSizes))];
    std::ofstream file(path);
    if (below(4) == 0) file.seekp(50000);
    for (long i = 0; i < size; ++i) file.put(static_cast<char>('a' + (i * 11 + size) % 26));
    file.close();
    constexpr mode_t kModes[] = {0644, 0644, 0755, 04755, 02755, 0400, 0};
    if (below(3) == 0) ::setxattr(path.c_str(), "user.b", "of a file", 9, 0);
    ::chmod(path.c_str(), kModes[below(std::size(kModes))]);
    files_.push_back(path);
  }

  std::string root_, below_;
  bool has_hard_cases_;
  std::mt19937& random_;
  std::vector<std::string> directories_, files_, opaque_;
};

std::vector<fs::path> all_paths() {
  std::vector<fs::path> paths = {"."};
  for (const auto& entry : fs::recursive_directory_iterator(".")) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

struct stat status_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) throw SysError(Errno{errno}, path.string());
  return status;
}

std::string describe_content(const fs::path& path, const struct stat& status) {
  std::string text;
  if (S_ISLNK(status.st_mode)) text = " -> " + fs::read_symlink(path).string();
  if (S_ISREG(status.st_mode)) {
    const std::string content = read_text(path);
    text = fmt::format(" hash {:x}", digest(content.data(), content.size()));
  }
  if (S_ISDIR(status.st_mode)) {
    const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    text = " names " + names_of(directory.get());
  }
  for (const std::string& name : attributes_of(path)) {
    char value[4096];
    const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value, sizeof value);
    text += fmt::format(" {}={:x}", name, size < 0 ? 0 : digest(value, static_cast<std::size_t>(size)));
  }
  return text;
}

/// A name that an upper one of the lower layers hides still counts as a link (README.md): such names go.
void remove_hidden_links(const Layers& layers) {
  const auto lines = lines_in_merge(layers, Rung::kernel, numbers, false);
  const std::set<std::string> seen(lines.begin(), lines.end());
  for (int i = 0; i < kLayers; ++i) {
    std::vector<fs::path> hidden;
    for (const auto& entry : fs::recursive_directory_iterator(layers.lower(i))) {
      const struct stat status = status_of(entry.path());
      const std::string name = "." + entry.path().string().substr(layers.lower(i).size());
      const bool is_seen = seen.contains(fmt::format("{} {}", name, status.st_ino));
      if (S_ISREG(status.st_mode) && status.st_nlink > 1 && !is_seen) hidden.push_back(entry.path());
    }
    for (const auto& path : hidden) fs::remove(path);
  }
}

/// The merged tree, as kernel overlayfs shows it, in a directory that is none.
void copy_merged(const Layers& from, const std::string& to) {
  lines_in_merge(
      from, Rung::kernel,
      [&] {
        const std::string copy = "cp -a . '" + to + "'";
        return std::vector<std::string>{std::to_string(::system(copy.c_str()))};
      },
      false);
}

Outcome act(const World& world, const Script* script) {
  ::signal(SIGPIPE, SIG_IGN);  // of a fifo whose reader has gone
  Outcome outcome;
  Actor actor;
  Generator generator(world.seed);
  const int count = script != nullptr ? static_cast<int>(script->size()) : world.operations;
  for (int i = 0; i < count; ++i) {
    outcome.script.push_back(script != nullptr ? (*script)[static_cast<std::size_t>(i)] : generator.next());
    outcome.results.push_back(actor.perform(outcome.script.back()));
  }
  return outcome;
}

void look(Outcome& outcome) {
  outcome.view = view();
  outcome.numbers = numbers();
}

std::vector<std::string> to_lines(const Outcome& outcome) {
  std::vector<std::string> lines;
  for (const auto& operation : outcome.script) lines.push_back("o" + render(operation));
  for (const auto& result : outcome.results) lines.push_back("r" + result);
  for (const auto& line : outcome.view) lines.push_back("v" + line);
  for (const auto& line : outcome.numbers) lines.push_back("n" + line);
  return lines;
}

Outcome from_lines(const std::vector<std::string>& lines) {
  Outcome outcome;
  for (const std::string& line : lines) {
    const std::string text = line.substr(1);
    switch (line.front()) {
      case 'o':
        outcome.script.push_back(parse_operation(text));
        break;
      case 'r':
        outcome.results.push_back(text);
        break;
      case 'v':
        outcome.view.push_back(text);
        break;
      default:
        outcome.numbers.push_back(text);
    }
  }
  return outcome;
}

/// Kernel overlayfs counts the names of lower files that have been removed, too (README.md).
std::vector<std::string> without_link_counts(std::vector<std::string> lines) {
  for (std::string& line : lines) line = without_link_count(std::move(line));
  return lines;
}

/// Kernel overlayfs knows directories by their own number, and symbolic links can hold none (README.md).
bool keeps_number(const std::string& line) { return !line.ends_with(" link"); }

}  // namespace

void make_layers(const Layers& layers, const World& world) {
  std::mt19937 random(world.seed);
  for (int i = kLayers - 1; i >= 0; --i) {
    LayerMaker(layers.lower(i), i == kLayers - 1 ? "" : layers.lower(i + 1), world, random).make();
  }
  remove_hidden_links(layers);
  for (int i = 0; i < kLayers; ++i) LayerMaker::set_times(layers.lower(i));
  LayerMaker::set_times(layers.upper());
}

std::vector<std::string> view() {
  std::vector<std::string> lines;
  std::map<ino_t, std::string> first;
  for (const fs::path& path : all_paths()) {
    const struct stat status = status_of(path);
    std::string line = path.string() + " " + describe(status);
    const bool is_first = first.try_emplace(status.st_ino, path.string()).second;
    line += describe_content(path, status);
    if (!is_first) line += " same as " + first[status.st_ino];
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> numbers() {
  std::vector<std::string> lines;
  for (const fs::path& path : all_paths()) {
    const struct stat status = status_of(path);
    const bool holds_attributes = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
    lines.push_back(fmt::format("{} {}{}", path.string(), status.st_ino, holds_attributes ? "" : " link"));
  }
  return lines;
}

std::vector<std::string> lines_in_merge(const Layers& layers, Rung rung,
                                        const std::function<std::vector<std::string>()>& inside, bool writable) {
  const std::string file = layers.path() + "/lines";
  const auto write_lines = [&] {
    std::ofstream out(file);
    for (const std::string& line : inside()) out << line << '\n';
    return std::string();
  };
  in_merge(layers, rung, write_lines, writable);
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> differences(const std::vector<std::string>& one, const std::vector<std::string>& other) {
  constexpr std::size_t kMost = 10;
  std::vector<std::string> found;
  for (std::size_t i = 0; i < std::max(one.size(), other.size()) && found.size() < kMost; ++i) {
    const std::string left = i < one.size() ? one[i] : "(nothing)", right = i < other.size() ? other[i] : "(nothing)";
    if (left != right) found.push_back(left + "\n     <> " + right);
  }
  return found;
}

std::string without_link_count(std::string line) {
  const std::size_t begin = line.find(" links "), end = line.find(" size ", begin);
  if (end != std::string::npos) line.erase(begin, end - begin);
  return line;
}

std::vector<std::string> faults_afterwards(const Layers& layers, const std::vector<std::string>& view_before,
                                           const std::vector<std::string>& numbers_before) {
  std::vector<std::string> faults;
  const auto expect_same = [&](const char* what, const std::vector<std::string>& before,
                               const std::vector<std::string>& now) {
    for (const std::string& difference : differences(before, now)) {
      faults.push_back(fmt::format("{}: {}", what, difference));
    }
  };
  std::vector<std::string> lasting = numbers_before;
  std::erase_if(lasting, [](const std::string& line) { return !keeps_number(line); });
  expect_same("seen by the kernel's driver", without_link_counts(view_before),
              without_link_counts(lines_in_merge(layers, Rung::kernel, view)));
  expect_same("mounted again", view_before, lines_in_merge(layers, Rung::fuse, view));
  auto again = lines_in_merge(layers, Rung::fuse, [] {
    auto lines = numbers();
    for (const auto& entry : fs::directory_iterator(".")) fs::remove_all(entry.path());
    return lines;
  });
  std::erase_if(again, [](const std::string& line) { return !keeps_number(line); });
  expect_same("inode numbers", lasting, again);
  const std::size_t left = lines_in_merge(layers, Rung::fuse, view).size();
  if (left != 1) faults.push_back(fmt::format("rm -rf has left {} names", left - 1));
  for (const auto& entry : fs::directory_iterator(layers.path() + "/work")) {
    if (entry.path().filename() != "work") faults.push_back("left in work: " + entry.path().string());
  }
  return faults;
}

Outcome run(const World& world, Rung rung, const Script* script, std::vector<std::string>* faults) {
  const Layers merged(kLayers);
  make_layers(merged, world);
  const auto inside = [&] {
    Outcome outcome = act(world, script);
    look(outcome);
    return to_lines(outcome);
  };
  if (rung == Rung::native) {
    const Layers native;
    copy_merged(merged, native.upper());
    return from_lines(lines_in_merge(native, rung, inside));
  }
  const Outcome outcome = from_lines(lines_in_merge(merged, rung, inside));
  if (faults != nullptr) *faults = faults_afterwards(merged, outcome.view, outcome.numbers);
  return outcome;
}

std::vector<std::string> faults_of_many(const World& world, int processes) {
  const Layers layers(kLayers);
  make_layers(layers, world);
  const auto inside = [&] {
    Outcome outcome;
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) {
      children.push_back(::fork());
      if (children.back() != 0) continue;
      (void)act({world.seed * 100 + static_cast<unsigned>(i), world.operations, true}, nullptr);
      ::_exit(0);
    }
    for (const pid_t child : children) {
      int status = 0;
      ::waitpid(child, &status, 0);
      outcome.results.push_back(std::to_string(status));
    }
    look(outcome);
    return to_lines(outcome);
  };
  const Outcome outcome = from_lines(lines_in_merge(layers, Rung::fuse, inside));
  auto faults = faults_afterwards(layers, outcome.view, outcome.numbers);
  for (const std::string& status : outcome.results) {
    if (status != "0") faults.push_back("a process ended with " + status);
  }
  return faults;
}

}  // namespace sandbox::overlay::test
