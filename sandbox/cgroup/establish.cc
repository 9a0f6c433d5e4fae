// The supervisor's way up the ladder; see container_cgroup.h.
#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/cgroup/container_cgroup.h"
#include "sandbox/cgroup/survey.h"
#include "sandbox/cgroup/systemd_scope.h"

namespace sandbox::cgroup {
namespace {

constexpr int kEnableTries = 10;
constexpr const char* kSubtreeControl = "/cgroup.subtree_control";

Result<void> write_file(const std::string& path, std::string_view value) {
  const auto fd = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY);
  if (!fd) return std::unexpected(fd.error());
  return sys::write_all(fd->get(), value.data(), value.size());
}

/// "+cpu +pids" for those that children of `base` don't have yet.
std::string words_to_enable(const std::string& base, const std::vector<std::string>& controllers) {
  const std::vector<std::string> present = split_words(read_file(base + kSubtreeControl));
  std::string words;
  for (const std::string& name : controllers) {
    if (std::ranges::find(present, name) == present.end()) words += (words.empty() ? "+" : " +") + name;
  }
  return words;
}

/// Everything in `base` itself goes into its leaf. A process that ends meanwhile is out of the way, too.
void evacuate(const std::string& base) {
  const std::string leaf = base + "/" + std::string(kLeaf);
  if (const auto made = sys::mkdirat(AT_FDCWD, leaf.c_str(), 0755); !made && made.error().value != EEXIST) {
    throw SysError(made.error(), fmt::format("creating cgroup '{}'", leaf));
  }
  for (const std::string& pid : split_words(read_file(base + "/cgroup.procs"))) {
    const auto moved = write_file(leaf + "/cgroup.procs", pid);
    if (!moved && moved.error().value != ESRCH) {
      throw SysError(moved.error(), fmt::format("moving process {} into cgroup '{}'", pid, leaf));
    }
  }
}

/// Only what is asked for and delegated; a scope is made new, so what it really has is known afterwards.
Surroundings climb(const Choice& choice, Surroundings surroundings, std::string_view id) {
  if (choice.rung != Rung::scope) return surroundings;
  const std::string short_id(id.substr(0, 12));
  start_scope({.bus = surroundings.manager_bus,
               .unit = fmt::format("sandbox-{}.scope", short_id),
               .slice = {},
               .description = fmt::format("sandbox container {}", short_id),
               .pid = ::getpid()});
  Surroundings inside = survey();
  if (!inside.writable)
    throw Unsupported(fmt::format("the cgroup of the scope, '{}', is not writable", inside.directory));
  inside.manager_bus.clear();  // one scope is enough
  return inside;
}

std::vector<Setting> applicable(const std::vector<Setting>& settings, const Choice& choice) {
  std::vector<Setting> left;
  for (const Setting& setting : settings) {
    bool missing = false;
    for (const Setting& other : choice.missing) missing = missing || other.file == setting.file;
    if (!missing) left.push_back(setting);
  }
  return left;
}

ContainerCgroup make(std::string_view id, const std::string& base, const std::vector<Setting>& settings,
                     const std::vector<std::string>& controllers,
                     const std::function<void(const std::string&)>& record) {
  const std::string path = base + "/" + cgroup_name(id);
  if (!controllers.empty()) enable_controllers(base, controllers);
  record(path);
  ContainerCgroup made(path, settings);
  // Below the root of a threaded subtree no process can start (cgroups(7), "Thread mode").
  if (const std::string type = read_file(path + "/cgroup.type"); type != "domain\n") {
    throw Unsupported(
        fmt::format("the cgroup '{}' can't hold processes, being '{}'", path, type.substr(0, type.find('\n'))));
  }
  return made;
}

Established climb_and_make(std::string_view id, const std::vector<Setting>& settings, bool best_effort, Own own,
                           const std::function<void(const std::string&)>& record) {
  Established result;
  Surroundings surroundings = survey();
  const Choice first = choose(surroundings, settings, own);
  if (first.rung != Rung::none) surroundings = climb(first, std::move(surroundings), id);
  const Choice choice = choose(surroundings, settings, own);
  if (own == Own::needed && choice.rung == Rung::none) {
    throw Unsupported(fmt::format("--systemd: {}", choice.reason), choice.hint);
  }
  if (!choice.missing.empty() && !best_effort) throw Unsupported(choice.reason, choice.hint);
  for (const Setting& setting : choice.missing) {
    if (!setting.optional)
      result.warnings.push_back(fmt::format("{} is not applied: {}", setting.option, choice.reason));
  }
  if (choice.rung == Rung::none) return result;
  const std::vector<Setting> applied = applicable(settings, choice);
  const auto controllers = own == Own::needed ? surroundings.controllers : controllers_of(applied);
  result.cgroup.emplace(make(id, surroundings.directory, applied, controllers, record));
  return result;
}

}  // namespace

Result<void> offer_controllers(const std::string& base, const std::vector<std::string>& controllers) {
  const std::string words = words_to_enable(base, controllers);
  if (words.empty() || write_file(base + kSubtreeControl, words)) return {};
  Result<void> last;  // one that can't be had refuses the whole line
  for (const std::string& word : split_words(words)) {
    if (auto written = write_file(base + kSubtreeControl, word); !written) last = written;
  }
  return last;
}

void enable_controllers(const std::string& base, const std::vector<std::string>& controllers) {
  const std::string words = words_to_enable(base, controllers);
  if (words.empty()) return;
  // Also where the kernel would allow them to stay (cpu and pids alone): `base` would become the root of a threaded
  // subtree, in which no container can start (cgroups(7), "Thread mode").
  evacuate(base);
  auto enabled = write_file(base + kSubtreeControl, words);
  // New processes of the caller's shell may appear between the moves and the write.
  for (int tries = 0; !enabled && enabled.error().value == EBUSY && tries < kEnableTries; ++tries) {
    evacuate(base);
    enabled = write_file(base + kSubtreeControl, words);
  }
  std::move(enabled) | or_throw("enabling '{}' in '{}'", words, base + kSubtreeControl);
}

Established establish(std::string_view id, const Limits& limits, bool best_effort, Own own,
                      const std::function<void(const std::string&)>& record) {
  const std::vector<Setting> settings = plan_settings(limits);
  if (own == Own::needed || (!settings.empty() && !best_effort)) {
    return climb_and_make(id, settings, best_effort, own, record);
  }
  try {
    return climb_and_make(id, settings, best_effort, own, record);
  } catch (const Error& error) {
    // Nothing was asked for, or not at any price: the container shares our cgroup.
    Established result;
    for (const Setting& setting : settings) {
      if (!setting.optional)
        result.warnings.push_back(fmt::format("{} is not applied: {}", setting.option, error.what()));
    }
    return result;
  }
}

}  // namespace sandbox::cgroup
