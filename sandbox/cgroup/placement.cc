#include "sandbox/cgroup/placement.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "sandbox/base/error.h"

namespace sandbox::cgroup {
namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return lines;
}

/// The kernel writes space, tab, newline and backslash as \ooo (proc_pid_mountinfo(5)).
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digits = text.substr(i, 4);
    if (digits.size() == 4 && digits[0] == '\\' && digits.find_first_not_of("01234567", 1) == std::string_view::npos) {
      plain += static_cast<char>((digits[1] - '0') * 64 + (digits[2] - '0') * 8 + (digits[3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::vector<Setting> missing_with(const std::vector<std::string>& controllers, const std::vector<Setting>& settings) {
  std::vector<Setting> missing;
  std::ranges::copy_if(settings, std::back_inserter(missing), [&](const Setting& setting) {
    return std::ranges::find(controllers, setting.controller()) == controllers.end();
  });
  return missing;
}

void explain_layout(Choice& choice, const Surroundings& surroundings) {
  if (surroundings.layout == Layout::none) {
    choice.reason = "no cgroup v2 is mounted here";
    choice.hint = "mount cgroup2 on /sys/fs/cgroup and delegate a subtree of it";
    return;
  }
  choice.reason = "this machine has its controllers in cgroup v1, which nobody can delegate to an ordinary user";
  choice.hint = "boot with systemd.unified_cgroup_hierarchy=1";
}

void explain_no_rung(Choice& choice, const Surroundings& surroundings) {
  const std::string own = surroundings.directory.empty()
                              ? "the own cgroup is not visible"
                              : fmt::format("the cgroup '{}' is not delegated to this user", surroundings.directory);
  if (!surroundings.batch_job.empty()) {
    choice.reason = fmt::format("{}, and batch job {} must not be left", own, surroundings.batch_job);
    choice.hint = "ask the batch scheduler for the limit";
    return;
  }
  choice.reason = fmt::format("{}, and there is no systemd user session to ask for one", own);
  choice.hint = fmt::format("as root: loginctl enable-linger {}; or log in by ssh or on the console rather than by su",
                            surroundings.uid);
}

void explain_controllers(Choice& choice) {
  std::string names;
  for (const auto& name : controllers_of(choice.missing)) names += (names.empty() ? "" : ", ") + name;
  if (choice.rung == Rung::scope) {
    choice.reason = fmt::format("the systemd user session has not been delegated the cgroup controllers: {}", names);
    choice.hint =
        "as root: systemctl edit user@.service, add [Service] Delegate=cpu cpuset io memory pids; then log in again";
  } else {
    choice.reason = fmt::format("the delegated cgroup has not got the controllers: {}", names);
    choice.hint = "enable them in cgroup.subtree_control of its parents";
  }
}

}  // namespace

Choice choose(const Surroundings& surroundings, const std::vector<Setting>& settings, Own own) {
  Choice choice;
  if (surroundings.writable) choice = {Rung::delegated, missing_with(surroundings.controllers, settings), {}, {}};
  const bool scope =
      surroundings.layout == Layout::unified && !surroundings.manager_bus.empty() && surroundings.batch_job.empty();
  if (scope && (own == Own::needed || !settings.empty())) {
    auto missing = missing_with(surroundings.manager_controllers, settings);
    if (choice.rung == Rung::none || missing.size() <= choice.missing.size()) {
      choice = {Rung::scope, std::move(missing), {}, {}};
    }
  }
  if (choice.rung == Rung::none) choice.missing = settings;
  if (choice.rung != Rung::none && choice.missing.empty()) return choice;
  if (surroundings.layout != Layout::unified) {
    explain_layout(choice, surroundings);
  } else if (choice.rung == Rung::none) {
    explain_no_rung(choice, surroundings);
  } else {
    explain_controllers(choice);
  }
  return choice;
}

std::optional<std::string> unified_path(std::string_view proc_cgroup) {
  for (const std::string_view line : lines_of(proc_cgroup)) {
    if (line.starts_with("0::/")) return std::string(line.substr(3));
  }
  return std::nullopt;
}

std::optional<std::string> path_below(std::string_view path, std::string_view name) {
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin + 1), path.size());
    if (path.substr(begin + 1, end - begin - 1) == name) return std::string(path.substr(end));
    begin = end;
  }
  return std::nullopt;
}

bool has_legacy_controllers(std::string_view proc_cgroup) {
  return std::ranges::any_of(lines_of(proc_cgroup), [](std::string_view line) {
    const auto begin = line.find(':');
    if (begin == std::string_view::npos) return false;
    const std::string_view controllers = line.substr(begin + 1, line.find(':', begin + 1) - begin - 1);
    return !controllers.empty() && !controllers.starts_with("name=");
  });
}

std::optional<CgroupMount> find_cgroup2(std::string_view mountinfo) {
  for (const std::string_view line : lines_of(mountinfo)) {
    const auto dash = line.find(" - ");
    if (dash == std::string_view::npos || !line.substr(dash + 3).starts_with("cgroup2 ")) continue;
    const auto fields = split_words(line.substr(0, dash));
    if (fields.size() >= 5) return CgroupMount{unescape(fields[3]), unescape(fields[4])};
  }
  return std::nullopt;
}

std::string directory_of(const CgroupMount& mount, std::string_view path) {
  // ".." leads out of our cgroup namespace (cgroup_namespaces(7)): such a place is not ours to use.
  if (path.starts_with("/..") || mount.root.starts_with("/..")) return {};
  const std::string_view root = mount.root == "/" ? std::string_view{} : std::string_view(mount.root);
  if (!path.starts_with(root)) return {};
  path.remove_prefix(root.size());
  if (!path.empty() && path[0] != '/') return {};  // "/ab" is not below "/a"
  return path == "/" ? mount.point : mount.point + std::string(path);
}

std::string common_ancestor(const std::string& one, const std::string& other) {
  const std::string a = one + "/", b = other + "/";
  const auto same = static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  return same == 0 ? std::string() : a.substr(0, a.rfind('/', same - 1));
}

std::string base_of(const std::string& directory) {
  const auto slash = directory.find_last_of('/');
  if (slash == std::string::npos || slash == 0 || std::string_view(directory).substr(slash + 1) != kLeaf)
    return directory;
  return directory.substr(0, slash);
}

std::optional<std::uint32_t> outside_id(std::string_view uid_map, std::uint32_t inside) {
  for (const std::string_view line : lines_of(uid_map)) {
    const auto fields = split_words(line);
    std::array<std::uint32_t, 3> numbers{};  // first inside, first outside, count
    if (fields.size() != numbers.size()) continue;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      std::from_chars(fields[i].data(), fields[i].data() + fields[i].size(), numbers[i]);
    }
    if (inside >= numbers[0] && inside - numbers[0] < numbers[2]) return numbers[1] + (inside - numbers[0]);
  }
  return std::nullopt;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (;;) {
    const auto begin = text.find_first_not_of(" \n");
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const auto end = std::min(text.find_first_of(" \n"), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

}  // namespace sandbox::cgroup
