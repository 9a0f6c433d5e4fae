// See mount_words.h.
#include "sandbox/build/mount_words.h"

#include <algorithm>
#include <array>

#include "sandbox/base/assignments.h"
#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/build/diagnostic.h"
#include "sandbox/build/path_pattern.h"

namespace sandbox::build {
namespace {

constexpr std::array<std::string_view, 5> kTypes = {"bind", "cache", "tmpfs", "secret", "ssh"};
constexpr std::array<std::string_view, 3> kSharings = {"shared", "private", "locked"};
constexpr std::array<std::string_view, 18> kKeys = {
    "type",    "target", "dst",      "destination", "source",    "src",      "from", "id",   "env",
    "sharing", "ro",     "readonly", "rw",          "readwrite", "required", "size", "mode", "uid"};

template <std::size_t N>
std::size_t index_of(const std::array<std::string_view, N>& words, std::string_view word, std::string_view what) {
  const auto found = std::ranges::find(words, word);
  if (found == words.end())
    throw InvalidInput(fmt::format("unsupported {} \"{}\"", what, word), suggestion(word, words));
  return static_cast<std::size_t>(found - words.begin());
}

std::uint64_t number(std::string_view key, std::string_view text, int base) {
  std::uint64_t value = 0;
  const bool digits = !text.empty() && text.size() < 18 &&
                      std::ranges::all_of(text, [&](char c) { return c >= '0' && c < '0' + base; });
  if (!digits) throw InvalidInput(fmt::format("invalid value {} for {}", text, key));
  for (const char c : text) value = value * static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(c - '0');
  return value;
}

std::uint64_t size(std::string_view text) {
  constexpr std::string_view units = "bkmgt";
  std::size_t end = text.find_last_of("0123456789");
  end = end == std::string_view::npos ? 0 : end + 1;
  std::uint64_t value = number("size", text.substr(0, end), 10);
  if (end == text.size()) return value;
  const auto unit = units.find(static_cast<char>(text[end] | 0x20));
  if (unit == std::string_view::npos || value > (1ULL << 40))
    throw InvalidInput(fmt::format("invalid value {} for size", text));
  return unit >= 4 && value > (1ULL << 20) ? value : value << (10 * unit);
}

bool boolean(std::string_view key, std::optional<std::string_view> value) {
  if (!value || *value == "true" || *value == "1") return true;
  if (*value == "false" || *value == "0") return false;
  throw InvalidInput(fmt::format("invalid value for {}: {}", key, *value));
}

void apply(StepMount& mount, std::string_view key, std::optional<std::string_view> word) {
  if (key == "ro" || key == "readonly")
    mount.read_only = boolean(key, word);
  else if (key == "rw" || key == "readwrite")
    mount.read_only = !boolean(key, word);
  else if (key == "required")
    mount.required = boolean(key, word);
  else if (!word)
    throw InvalidInput(fmt::format("invalid field '{}' must be a key=value pair", key), suggestion(key, kKeys));
  else if (key == "target" || key == "dst" || key == "destination")
    mount.target = *word;
  else if (key == "source" || key == "src")
    mount.source = *word;
  else if (key == "from")
    mount.from = *word;
  else if (key == "id")
    mount.id = *word;
  else if (key == "env")
    mount.environment = *word;
  else if (key == "sharing")
    mount.sharing = static_cast<CacheSharing>(index_of(kSharings, *word, "sharing value"));
  else if (key == "size")
    mount.size = size(*word);
  else if (key == "mode")
    mount.mode = static_cast<std::uint32_t>(number(key, *word, 8)) & 07777U;
  else if (key == "uid")
    mount.uid = static_cast<std::uint32_t>(number(key, *word, 10));
  else if (key == "gid")
    mount.gid = static_cast<std::uint32_t>(number(key, *word, 10));
  else
    throw InvalidInput(fmt::format("unexpected key '{}' in '{}={}'", key, key, *word), suggestion(key, kKeys));
}

/// What follows from other fields.
void complete(StepMount& mount, std::string_view directory) {
  using enum StepMountType;
  if (mount.type == secret) {
    if (mount.id.empty()) mount.id = mount.source;
    if (mount.id.empty()) mount.id = mount.target.substr(mount.target.rfind('/') + 1);
    if (mount.id.empty()) throw InvalidInput("a secret needs an id, or a target");
    mount.source.clear();
    if (mount.target.empty() && mount.environment.empty()) mount.target = "/run/secrets/" + mount.id;
  }
  if (mount.type == ssh) {
    if (mount.id.empty()) mount.id = "default";
    if (mount.target.empty()) mount.target = "/run/buildkit/ssh_agent.0";
  }
  if (mount.target.empty()) {
    if (mount.type == secret) return;
    throw InvalidInput(fmt::format("a mount of type {} needs a target", kTypes[static_cast<std::size_t>(mount.type)]));
  }
  const std::string whole =
      mount.target.starts_with('/') ? mount.target : fmt::format("{}/{}", directory, mount.target);
  mount.target = "/" + clean_path(whole);
  if (mount.target == "/.") throw InvalidInput("invalid mount target \"/\"");
  for (const char* system : {"/proc", "/sys", "/dev"}) {
    if (mount.target == system || mount.target.starts_with(std::string(system) + "/proc")) {
      throw InvalidInput(fmt::format("invalid mount target \"{}\": it is the kernel's", mount.target));
    }
  }
  if (mount.target.starts_with("/proc/"))
    throw InvalidInput(fmt::format("invalid mount target \"{}\": it is the kernel's", mount.target));
  if (mount.type == cache && mount.id.empty()) mount.id = mount.target;
  mount.source = clean_path(mount.source);
  if (mount.source == ".") mount.source.clear();
}

}  // namespace

StepMount parse_step_mount(std::string_view text, std::string_view directory) {
  StepMount mount;
  const std::vector<OptionField> fields = split_options(text);
  for (const auto& [key, value] : fields) {
    if (key == "type" && value) mount.type = static_cast<StepMountType>(index_of(kTypes, *value, "mount type"));
  }
  mount.read_only = mount.type == StepMountType::bind;
  for (const auto& [key, value] : fields) {
    if (key != "type") apply(mount, key, value);
  }
  complete(mount, directory);
  return mount;
}

Json to_json(const StepMount& mount) {
  Json json = {{"type", kTypes[static_cast<std::size_t>(mount.type)]}, {"target", mount.target}};
  const auto add = [&](const char* key, const auto& value, bool wanted) {
    if (wanted) json[key] = value;
  };
  add("source", mount.source, !mount.source.empty());
  add("id", mount.id, !mount.id.empty());
  add("env", mount.environment, !mount.environment.empty());
  add("sharing", kSharings[static_cast<std::size_t>(mount.sharing)], mount.type == StepMountType::cache);
  add("read_only", mount.read_only, mount.read_only);
  add("size", mount.size, mount.size != 0);
  add("mode", mount.mode.value_or(0), mount.mode.has_value());
  add("owner", fmt::format("{}:{}", mount.uid, mount.gid), mount.uid != 0 || mount.gid != 0);
  return json;
}

}  // namespace sandbox::build
