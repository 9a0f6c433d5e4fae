#include "sandbox/runtime/intel_rdt.h"

#include <errno.h>
#include <linux/magic.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox::runtime {
namespace {

constexpr const char* usual_place = "/sys/fs/resctrl";

void check_line(const oci::Value& value) {
  if (value.text().find('\n') != std::string::npos) value.fail("has more than one line");
}

std::string checked_group(const oci::Value& value) {
  std::string name = value.text();
  const bool is_path = name.find('/') != std::string::npos && name != "/";
  if (name.empty() || is_path || name == "." || name == "..") value.fail("is not a name of a group");
  return name;
}

std::vector<std::string> plan_schemata(const oci::Value& value) {
  std::vector<oci::Value> lines;
  for (const char* key : {"l3CacheSchema", "memBwSchema"}) {
    if (const auto line = value.find(key)) lines.push_back(*line);
  }
  if (const auto bandwidth = value.find("memBwSchema"); bandwidth && !bandwidth->text().starts_with("MB:")) {
    bandwidth->fail("does not begin with \"MB:\"");
  }
  for (const oci::Value& line : value.items("schemata")) lines.push_back(line);
  std::vector<std::string> texts;
  for (const oci::Value& line : lines) {
    check_line(line);
    if (!line.text().empty()) texts.push_back(line.text());
  }
  return texts;
}

/// "L3:0=0ff;1=f" as {"L3": {"0": "ff", "1": "f"}}: the kernel writes blanks and zeros before names and numbers.
using Schemata = std::map<std::string, std::map<std::string, std::string>>;

std::string without_padding(std::string text) {
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto first = std::min(text.find_first_not_of('0'), text.size());
  return first == text.size() && !text.empty() ? "0" : text.substr(first);
}

void read_schema(const std::string& line, Schemata& schemata) {
  const auto colon = line.find(':');
  if (colon == std::string::npos) return;
  std::istringstream domains(line.substr(colon + 1));
  for (std::string domain; std::getline(domains, domain, ';');) {
    const auto equals = domain.find('=');
    if (equals == std::string::npos) continue;
    schemata[without_padding(line.substr(0, colon))][without_padding(domain.substr(0, equals))] =
        without_padding(domain.substr(equals + 1));
  }
}

/// A group that others made must be as the configuration describes it.
void compare(const std::string& group, const std::vector<std::string>& asked) {
  Schemata present;
  std::istringstream lines(read_file(group + "/schemata"));
  for (std::string line; std::getline(lines, line);) read_schema(line, present);
  for (const std::string& line : asked) {
    Schemata wanted;
    read_schema(line, wanted);
    for (const auto& [resource, domains] : wanted) {
      for (const auto& [domain, value] : domains) {
        if (present[resource][domain] == value) continue;
        throw Conflict(fmt::format("linux.intelRdt: the group '{}' exists with other schemata than '{}'", group, line));
      }
    }
  }
}

void write_line(const std::string& path, const std::string& line, const std::string& resctrl) {
  const Fd file = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY) | or_throw("opening '{}'", path);
  const std::string text = line + "\n";
  const auto written = sys::write_all(file.get(), text.data(), text.size());
  if (written) return;
  const std::string reason = resctrl + "/info/last_cmd_status";
  throw SysError(written.error(), fmt::format("writing '{}' to '{}'", line, path),
                 path_exists(reason) ? read_file(reason) : "");
}

void make_directory(const std::string& path) {
  sys::mkdirat(AT_FDCWD, path.c_str(), 0755) | or_throw("making the resctrl group '{}'", path);
}

void enter_group(const RdtPlan& plan, const std::string& group, const std::string& resctrl) {
  const bool own = plan.group.empty(), exists = path_exists(group);
  if (!own && !exists && plan.schemata.empty()) {
    throw NotFound(fmt::format("linux.intelRdt: there is no group '{}', and no schemata to make it", group));
  }
  if (!own && exists) return compare(group, plan.schemata);
  make_directory(group);
  for (const std::string& line : plan.schemata) write_line(group + "/schemata", line, resctrl);
}

void remove_group(const std::string& path, std::vector<std::string>& warnings) {
  if (path.empty() || ::rmdir(path.c_str()) == 0 || errno == ENOENT) return;
  warnings.push_back(fmt::format("removing the resctrl group '{}': {}", path, Errno{errno}.message()));
}

}  // namespace

std::optional<RdtPlan> plan_intel_rdt(const oci::Linux& part) {
  if (!part.intel_rdt) return std::nullopt;
  const oci::Value value(*part.intel_rdt, "config.json", "linux.intelRdt");
  const auto group = value.find("closID");
  return RdtPlan{group ? checked_group(*group) : "", plan_schemata(value), value.boolean("enableMonitoring")};
}

std::string find_resctrl() {
  const auto usual = sys::openat(AT_FDCWD, usual_place, O_PATH | O_DIRECTORY);
  if (usual && sys::fstatfs_type(usual->get()).value_or(0) == RDTGROUP_SUPER_MAGIC) return usual_place;
  std::istringstream mounts(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" - resctrl ") == std::string::npos) continue;
    std::istringstream words(line);
    std::string word;
    for (int field = 0; field < 5; ++field) words >> word;  // the fifth: where (proc_pid_mountinfo(5))
    return word;
  }
  throw Unsupported("linux.intelRdt can't be applied: no resctrl file system is mounted",
                    "as root, where kernel and processor have it: mount -t resctrl resctrl /sys/fs/resctrl");
}

void apply_intel_rdt(const RdtPlan& plan, const std::string& resctrl, pid_t pid, Record& record,
                     const std::function<void()>& save) {
  const bool own = plan.group.empty();
  const std::string group = plan.group == "/" ? resctrl : resctrl + "/" + (own ? record.id : plan.group);
  const std::string monitor = plan.monitored ? group + "/mon_groups/" + record.id : "";
  if (own && path_exists(group)) throw Conflict(fmt::format("linux.intelRdt: the group '{}' exists", group));
  if (own) record.rdt_group = group;
  record.rdt_monitor = monitor;
  save();
  enter_group(plan, group, resctrl);
  write_line(group + "/tasks", std::to_string(pid), resctrl);
  if (monitor.empty()) return;
  make_directory(monitor);
  write_line(monitor + "/tasks", std::to_string(pid), resctrl);
}

void remove_intel_rdt(const Record& record, std::vector<std::string>& warnings) {
  remove_group(record.rdt_monitor, warnings);
  remove_group(record.rdt_group, warnings);
}

}  // namespace sandbox::runtime
