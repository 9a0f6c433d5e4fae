// See cdi.h.
#include "sandbox/engine/cdi.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "sandbox/base/assignments.h"
#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json.h"
#include "sandbox/base/places.h"
#include "sandbox/base/yaml.h"

namespace sandbox::engine {
namespace {

constexpr std::string_view kGpus = "nvidia.com/gpu";
constexpr std::string_view kYaml = ".yaml";
constexpr const char* kMakeDescription = "nvidia-ctk cdi generate --output ~/.config/sandbox/cdi/nvidia.yaml";
constexpr int kNewestMinor = 1, kNewestMajor = 1;  // 1.1.0
constexpr std::size_t kLargest = 4U << 20;

/// A part of a description; errors name it.
class Part {
 public:
  Part(const Json& json, std::string what) : json_(json), what_(std::move(what)) {
    if (!json_.is_object()) fail("is not an object");
  }

  [[noreturn]] void fail(std::string_view reason) const { throw InvalidInput(fmt::format("{} {}", what_, reason)); }

  void allow(std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : json_.items()) {
      if (std::ranges::find(known, std::string_view(key)) != known.end()) continue;
      fail(fmt::format("has the unknown member '{}'", key));
    }
  }

  bool has(const char* key) const {
    const Json* value = find(key);
    return value != nullptr && !value->empty();
  }

  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) fail(fmt::format("has a '{}' that is no text", key));
    return value->get<std::string>();
  }

  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> found;
    for (const Json& value : list(key)) {
      if (!value.is_string()) fail(fmt::format("has a '{}' that is no list of texts", key));
      found.push_back(value.get<std::string>());
    }
    return found;
  }

  std::vector<Part> parts(const char* key) const {
    std::vector<Part> found;
    for (const Json& value : list(key)) found.emplace_back(value, fmt::format("{}: {} {}", what_, key, found.size()));
    return found;
  }

  std::optional<Part> part(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    return std::optional<Part>(std::in_place, *value, fmt::format("{}: {}", what_, key));
  }

 private:
  const Json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() ? nullptr : &*found;
  }
  const Json& list(const char* key) const {
    static const Json none = Json::array();
    const Json* value = find(key);
    if (value == nullptr) return none;
    if (!value->is_array()) fail(fmt::format("has a '{}' that is no list", key));
    return *value;
  }

  const Json& json_;
  std::string what_;
};

bool is_plain_path(std::string_view path) {
  const std::string whole = fmt::format("{}/", path);
  return path.size() > 1 && path.starts_with('/') && path.find('\0') == path.npos && whole.find("/../") == whole.npos;
}

CdiNode read_node(const Part& part) {
  part.allow({"path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"});
  CdiNode node{part.text("path"), part.text("hostPath"), part.text("permissions")};
  if (node.host_path.empty()) node.host_path = node.path;
  if (!is_plain_path(node.path) || !is_plain_path(node.host_path)) part.fail("has no absolute path");
  if (node.permissions.find_first_not_of("rwm") != std::string::npos) part.fail("has permissions beyond 'rwm'");
  return node;
}

CdiMount read_mount(const Part& part) {
  CdiMount mount{part.text("hostPath"), part.text("containerPath"), part.texts("options")};
  if (!is_plain_path(mount.source) || !is_plain_path(mount.target)) part.fail("has no absolute path");
  return mount;
}

CdiEdits read_edits(const Part& part) {
  part.allow({"env", "deviceNodes", "mounts", "hooks", "additionalGids", "intelRdt", "netDevices"});
  CdiEdits edits;
  edits.env = part.texts("env");
  for (const std::string& entry : edits.env) {
    if (!is_assignment(entry)) part.fail("sets a variable without a name");
  }
  for (const Part& node : part.parts("deviceNodes")) edits.nodes.push_back(read_node(node));
  for (const Part& mount : part.parts("mounts")) {
    mount.allow({"hostPath", "containerPath", "type", "options"});
    const std::string type = mount.text("type");
    if (type.empty() || type == "bind" || type == "none")
      edits.mounts.push_back(read_mount(mount));
    else
      edits.beyond.push_back(fmt::format("mount of type {}", type));
  }
  for (const Part& hook : part.parts("hooks")) {
    hook.allow({"hookName", "path", "args", "env", "timeout"});
    edits.hooks.push_back(hook.text("path"));
  }
  // additionalGids are nothing to add: a device opens for a container if it opens for its user.
  for (const char* key : {"intelRdt", "netDevices"}) {
    if (part.has(key)) edits.beyond.push_back(key);
  }
  return edits;
}

CdiEdits read_edits_of(const Part& part) {
  const auto edits = part.part("containerEdits");
  return edits ? read_edits(*edits) : CdiEdits{};
}

bool is_word(std::string_view text, std::string_view further) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::string_view digits = "0123456789";
  const auto fits = [&](char c) { return letters.find(c) != letters.npos || digits.find(c) != digits.npos; };
  return !text.empty() && text.size() <= 255 && fits(text.front()) && fits(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return fits(c) || further.find(c) != further.npos; });
}

/// "vendor.com/class"
bool is_kind(std::string_view text) {
  const auto slash = text.find('/');
  return slash != text.npos && is_word(text.substr(0, slash), "_-.") && is_word(text.substr(slash + 1), "_-");
}

void check_version(const Part& part, std::string_view version) {
  int major = -1, minor = -1;
  const char* const end = version.data() + version.size();
  const auto [dot, bad_major] = std::from_chars(version.data(), end, major);
  if (bad_major == std::errc{} && dot < end && *dot == '.') (void)std::from_chars(dot + 1, end, minor);
  if (major < 0 || minor < 0) part.fail(fmt::format("has no valid cdiVersion: '{}'", version));
  if (major > kNewestMajor || (major == kNewestMajor && minor > kNewestMinor)) {
    part.fail(fmt::format("is of version {}, which is newer than is known here", version));
  }
}

void add(CdiEdits& to, const CdiEdits& more) {
  const auto append = [](auto& list, const auto& further) { list.insert(list.end(), further.begin(), further.end()); };
  append(to.env, more.env);
  append(to.nodes, more.nodes);
  append(to.mounts, more.mounts);
  append(to.hooks, more.hooks);
  append(to.beyond, more.beyond);
}

std::string where_descriptions_are(std::string_view kind) {
  if (kind == kGpus) return fmt::format("where there are such GPUs, their description is made by: {}", kMakeDescription);
  return "descriptions are files *.json and *.yaml in ~/.config/sandbox/cdi, /var/run/cdi and /etc/cdi";
}

/// A device that is looked for, and why descriptions were left out meanwhile.
struct Search {
  std::string_view kind, device;
  std::string trouble;

  std::optional<CdiEdits> in_file(const std::string& path) {
    try {
      const CdiSpec spec = parse_cdi(read_file(path, kLargest), path);
      const auto found = std::ranges::find(spec.devices, device, &CdiDevice::name);
      if (spec.kind != kind || found == spec.devices.end()) return std::nullopt;
      CdiEdits edits = spec.edits;
      add(edits, found->edits);
      return edits;
    } catch (const Error& error) {
      trouble = error.what();
      if (!error.hint().empty()) trouble += "; " + error.hint();
    }
    return std::nullopt;
  }

  std::optional<CdiEdits> in_directory(const std::string& directory) {
    std::optional<CdiEdits> found;
    std::string place;
    for (const std::string& name : list_directory(directory)) {
      const std::string path = directory + "/" + name;
      auto edits = name.ends_with(".json") || name.ends_with(kYaml) ? in_file(path) : std::nullopt;
      if (!edits) continue;
      if (found) throw Conflict(fmt::format("CDI device {}={} is in both '{}' and '{}'", kind, device, place, path));
      found = std::move(edits);
      place = path;
    }
    return found;
  }
};

}  // namespace

CdiSpec parse_cdi(std::string_view text, std::string_view name) {
  const Json json = name.ends_with(kYaml) ? parse_yaml(text, name) : parse_json(text, name);
  const Part part(json, fmt::format("CDI description '{}'", name));
  part.allow({"cdiVersion", "kind", "annotations", "devices", "containerEdits"});
  check_version(part, part.text("cdiVersion"));
  CdiSpec spec{part.text("kind"), read_edits_of(part), {}};
  if (!is_kind(spec.kind)) part.fail(fmt::format("has no valid kind: '{}'", spec.kind));
  for (const Part& one : part.parts("devices")) {
    one.allow({"name", "annotations", "containerEdits"});
    CdiDevice device{one.text("name"), read_edits_of(one)};
    if (!is_word(device.name, "_-.:")) one.fail("has no valid name");
    spec.devices.push_back(std::move(device));
  }
  return spec;
}

bool is_cdi_name(std::string_view word) {
  const auto equals = word.find('=');
  return equals != word.npos && is_kind(word.substr(0, equals)) && is_word(word.substr(equals + 1), "_-.:");
}

std::vector<std::string> gpu_names(std::string_view words) {
  if (words == "all" || words == "-1") return {fmt::format("{}=all", kGpus)};
  while (words.size() > 1 && words.front() == '"' && words.back() == '"') words = words.substr(1, words.size() - 2);
  std::vector<std::string> names;
  if (words.starts_with("device=")) {
    for (const OptionField& field : split_options(words.substr(7))) {
      names.push_back(fmt::format("{}={}", kGpus, field.key));
      if (field.value || !is_cdi_name(names.back())) names = {};
      if (names.empty()) break;
    }
  }
  if (names.empty()) {
    throw UsageError(fmt::format("invalid argument \"{}\" for \"--gpus\" flag: 'all' or 'device=NAME,...'", words));
  }
  return names;
}

std::vector<CdiEdits> find_cdi_devices(const std::vector<std::string>& names) {
  std::vector<CdiEdits> edits;
  for (const std::string& name : names) {
    const std::string_view words = name;
    const auto equals = words.find('=');
    Search search{words.substr(0, equals), words.substr(equals + 1), {}};
    std::optional<CdiEdits> found;
    for (const std::string& directory :
         {config_directory() + "/cdi", std::string("/var/run/cdi"), std::string("/etc/cdi")}) {
      if (!found) found = search.in_directory(directory);
    }
    if (!found) {
      throw NotFound(fmt::format("unresolvable CDI device {}: no description has it", name),
                     search.trouble.empty() ? where_descriptions_are(search.kind) : search.trouble);
    }
    if (!found->beyond.empty()) {
      throw Unsupported(
          fmt::format("CDI device {} is not possible without root: it wants {}", name, found->beyond.front()));
    }
    edits.push_back(std::move(*found));
  }
  return edits;
}

}  // namespace sandbox::engine
