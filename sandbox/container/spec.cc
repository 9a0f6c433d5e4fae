// Spec to and from JSON. One description of each structure's fields (`describe`) serves both
// directions, so that they can't disagree. Reading is strict: every field must be there, of its
// type and in its range, since an absent list of masked paths would quietly weaken a container.
#include "sandbox/container/spec.h"

#include <algorithm>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"

namespace sandbox::container {
namespace {

constexpr const char* root_drivers[] = {"auto", "overlay", "fuse"};
constexpr const char* mount_kinds[] = {"bind", "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup2"};

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
using Labels = std::map<std::string, std::string>;

[[noreturn]] void fail(const std::string& path, std::string_view what) {
  throw InvalidInput(fmt::format("container description: field '{}' {}", path, what));
}

std::string read_text(const Json& json, const std::string& path) {
  if (!json.is_string()) fail(path, "is not a string");
  const auto& text = json.get_ref<const std::string&>();
  if (text.find('\0') != std::string::npos) fail(path, "contains a NUL byte");
  return text;
}

template <class T>
T read_number(const Json& json, const std::string& path) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  } else if (json.is_number_integer()) {
    const auto value = json.get<std::int64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  } else {
    fail(path, "is not an integer");
  }
  fail(path, "is out of range");
}

/// The position of a word in a list.
std::size_t read_choice(const Json& json, const std::string& path, std::span<const char* const> words) {
  const std::string word = read_text(json, path);
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) fail(path, "has an unknown value");
  return static_cast<std::size_t>(found - words.begin());
}

struct Writer {
  Json document = Json::object();
  template <class T>
  void operator()(const char* key, const T& value) {
    document[key] = encode(value);
  }
  template <class T>
  static Json encode(const T& value) {
    if constexpr (std::is_same_v<T, std::string> || std::is_arithmetic_v<T> || std::is_same_v<T, Labels>) {
      return value;
    } else if constexpr (std::is_same_v<T, userns::MountKind>) {
      return mount_kinds[static_cast<std::size_t>(value)];
    } else if constexpr (std::is_same_v<T, userns::RootDriver>) {
      return root_drivers[static_cast<std::size_t>(value)];
    } else if constexpr (IsOptional<T>::value) {
      return value ? encode(*value) : Json(nullptr);
    } else if constexpr (IsVector<T>::value) {
      Json list = Json::array();
      for (const auto& element : value) list.push_back(encode(element));
      return list;
    } else {
      Writer inner;
      describe(inner, value);
      return std::move(inner.document);
    }
  }
};

struct Reader {
  const Json& document;
  std::string path;
  template <class T>
  void operator()(const char* key, T& value) {
    const std::string name = path.empty() ? key : path + "." + key;
    const auto found = document.find(key);
    if (found == document.end()) fail(name, "is missing");
    decode(*found, name, value);
  }
  template <class T>
  static void decode(const Json& json, const std::string& path, T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      value = read_text(json, path);
    } else if constexpr (std::is_same_v<T, bool>) {
      if (!json.is_boolean()) fail(path, "is not true or false");
      value = json.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
      value = read_number<T>(json, path);
    } else if constexpr (std::is_same_v<T, userns::MountKind>) {
      value = static_cast<T>(read_choice(json, path, mount_kinds));
    } else if constexpr (std::is_same_v<T, userns::RootDriver>) {
      value = static_cast<T>(read_choice(json, path, root_drivers));
    } else if constexpr (std::is_same_v<T, Labels>) {
      if (!json.is_object()) fail(path, "is not an object");
      for (const auto& [key, text] : json.items()) value[key] = read_text(text, path + "." + key);
    } else if constexpr (IsOptional<T>::value) {
      if (json.is_null()) return value.reset();
      decode(json, path, value.emplace());
    } else if constexpr (IsVector<T>::value) {
      if (!json.is_array()) fail(path, "is not a list");
      value.clear();
      for (const auto& element : json) decode(element, fmt::format("{}[{}]", path, value.size()), value.emplace_back());
    } else {
      if (!json.is_object()) fail(path, "is not an object");
      Reader inner{json, path};
      describe(inner, value);
    }
  }
};

/// T for reading, const T for writing.
template <class Value, class T>
concept Of = std::is_same_v<std::remove_const_t<Value>, T>;

template <class A>
void describe(A& field, Of<userns::IdMapping> auto& mapping) {
  field("inside", mapping.inside);
  field("outside", mapping.outside);
  field("count", mapping.count);
}

template <class A>
void describe(A& field, Of<userns::IdentityPlan> auto& identity) {
  field("nested", identity.nested);
  field("uid_map", identity.uid_map);
  field("gid_map", identity.gid_map);
}

template <class A>
void describe(A& field, Of<userns::NamespacePlan> auto& namespaces) {
  field("pid", namespaces.pid);
  field("network", namespaces.network);
  field("ipc", namespaces.ipc);
  field("uts", namespaces.uts);
  field("cgroup", namespaces.cgroup);
}

template <class A>
void describe(A& field, Of<userns::RootPlan> auto& root) {
  field("lower", root.lower);
  field("upper", root.upper);
  field("work", root.work);
  field("directory", root.directory);
  field("read_only", root.read_only);
  field("no_suid", root.no_suid);
  field("driver", root.driver);
  field("lower_may_change", root.lower_may_change);
}

template <class A>
void describe(A& field, Of<userns::MountOp> auto& mount) {
  field("kind", mount.kind);
  field("source", mount.source);
  field("target", mount.target);
  field("data", mount.data);
  field("read_only", mount.read_only);
  field("no_suid", mount.no_suid);
  field("no_dev", mount.no_dev);
  field("no_exec", mount.no_exec);
  field("recursive", mount.recursive);
}

template <class A>
void describe(A& field, Of<userns::Rlimit> auto& limit) {
  field("resource", limit.resource);
  field("soft", limit.soft);
  field("hard", limit.hard);
}

template <class A>
void describe(A& field, Of<userns::NetworkInterface> auto& network) {
  field("name", network.name);
  field("address", network.address);
  field("prefix", network.prefix);
  field("gateway", network.gateway);
  field("mtu", network.mtu);
}

template <class A>
void describe(A& field, Of<userns::ProcessPlan> auto& process) {
  field("argv", process.argv);
  field("env", process.env);
  field("cwd", process.cwd);
  field("uid", process.uid);
  field("gid", process.gid);
  field("groups", process.groups);
  field("capabilities", process.capabilities);
  field("no_new_privs", process.no_new_privs);
  field("rlimits", process.rlimits);
  field("terminal", process.terminal);
  field("init", process.init);
}

template <class A>
void describe(A& field, Of<userns::LaunchPlan> auto& plan) {
  field("identity", plan.identity);
  field("namespaces", plan.namespaces);
  field("root", plan.root);
  field("mounts", plan.mounts);
  field("masked_paths", plan.masked_paths);
  field("read_only_paths", plan.read_only_paths);
  field("hostname", plan.hostname);
  field("network", plan.network);
  field("process", plan.process);
}

template <class A>
void describe(A& field, Of<cgroup::Limits> auto& limits) {
  field("memory", limits.memory);
  field("memory_swap", limits.memory_swap);
  field("memory_reservation", limits.memory_reservation);
  field("nano_cpus", limits.nano_cpus);
  field("cpu_shares", limits.cpu_shares);
  field("cpuset_cpus", limits.cpuset_cpus);
  field("cpuset_mems", limits.cpuset_mems);
  field("pids", limits.pids);
}

template <class A>
void describe(A& field, Of<PublishedPort> auto& port) {
  field("host_ip", port.host_ip);
  field("host_port", port.host_port);
  field("container_port", port.container_port);
  field("udp", port.udp);
}

template <class A>
void describe(A& field, Of<Spec> auto& spec) {
  field("id", spec.id);
  field("name", spec.name);
  field("image", spec.image);
  field("image_id", spec.image_id);
  field("created", spec.created);
  field("labels", spec.labels);
  field("plan", spec.plan);
  field("ports", spec.ports);
  field("limits", spec.limits);
  field("limits_best_effort", spec.limits_best_effort);
  field("auto_remove", spec.auto_remove);
  field("open_stdin", spec.open_stdin);
  field("stop_signal", spec.stop_signal);
}

}  // namespace

Json to_json(const Spec& spec) { return Writer::encode(spec); }
Json to_json(const userns::LaunchPlan& plan) { return Writer::encode(plan); }
Json to_json(const userns::ProcessPlan& process) { return Writer::encode(process); }

Spec spec_from_json(const Json& document) {
  Spec spec;
  Reader::decode(document, "", spec);
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (spec.id.size() != 64 || !std::all_of(spec.id.begin(), spec.id.end(), is_hex)) {
    fail("id", "is not 64 lower-case hexadecimal digits");
  }
  if (!is_valid_name(spec.name)) fail("name", "is not a valid container name");
  if (spec.stop_signal < 1 || spec.stop_signal > 64) fail("stop_signal", "is out of range");
  return spec;
}

userns::ProcessPlan process_from_json(const Json& document) {
  userns::ProcessPlan process;
  Reader::decode(document, "process", process);
  return process;
}

}  // namespace sandbox::container
