#include "sandbox/image/registries_conf.h"

#include <algorithm>
#include <cstdlib>

#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include "sandbox/base/directory.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

namespace sandbox::image {
namespace {

constexpr std::size_t kLargestFile = 1U << 20, kMostRegistries = 10'000;

[[noreturn]] void refuse(const std::string& file, const std::string& why) {
  throw InvalidInput(fmt::format("{}: {}", file, why));
}

std::string text_of(const toml::table& table, std::string_view key, const std::string& file) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return {};
  const auto value = node->value_exact<std::string>();
  if (!value) refuse(file, fmt::format("'{}' is not a string", key));
  return *value;
}

bool flag_of(const toml::table& table, std::string_view key, const std::string& file) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return false;
  const auto value = node->value_exact<bool>();
  if (!value) refuse(file, fmt::format("'{}' is not true or false", key));
  return *value;
}

/// As in the configuration: "example.com/group", without a scheme and without an end.
std::string location_of(const toml::table& table, std::string_view key, const std::string& file) {
  std::string location = text_of(table, key, file);
  while (location.ends_with('/')) location.pop_back();
  if (location.contains("://")) refuse(file, fmt::format("'{}' is a url, not a location: {}", key, location));
  return location;
}

RegistriesConf::Mirror mirror_of(const toml::table& table, bool digests_only, const std::string& file) {
  RegistriesConf::Mirror mirror{location_of(table, "location", file), flag_of(table, "insecure", file), true,
                                !digests_only};
  if (mirror.location.empty()) refuse(file, "a mirror has no location");
  const std::string from = text_of(table, "pull-from-mirror", file);
  if (from == "digest-only")
    mirror.tags = false;
  else if (from == "tag-only")
    mirror.digests = false;
  else if (!from.empty() && from != "all")
    refuse(file, fmt::format("'pull-from-mirror' is '{}'", from));
  return mirror;
}

RegistriesConf::Registry registry_of(const toml::table& table, const std::string& file) {
  RegistriesConf::Registry registry{location_of(table, "prefix", file),
                                    location_of(table, "location", file),
                                    flag_of(table, "insecure", file),
                                    flag_of(table, "blocked", file),
                                    {}};
  if (registry.prefix.empty()) registry.prefix = registry.location;
  if (registry.prefix.empty()) refuse(file, "a registry has neither prefix nor location");
  if (registry.prefix.find('*') != std::string::npos &&
      (!registry.prefix.starts_with("*.") || registry.prefix.rfind('*') != 0)) {
    refuse(file, fmt::format("the prefix '{}' has a wildcard elsewhere than in front of a host", registry.prefix));
  }
  const bool wild = registry.prefix.starts_with("*.");
  if (registry.location.empty() && !wild) registry.location = registry.prefix;
  const bool digests_only = flag_of(table, "mirror-by-digest-only", file);
  if (const toml::array* mirrors = table["mirror"].as_array()) {
    for (const toml::node& node : *mirrors) {
      const toml::table* mirror = node.as_table();
      if (mirror == nullptr) refuse(file, "a mirror is no table");
      registry.mirrors.push_back(mirror_of(*mirror, digests_only, file));
    }
  }
  return registry;
}

void add_table(RegistriesConf& conf, const toml::table& table, const std::string& file) {
  if (table.contains("registries")) refuse(file, "version 1 of the format is not supported");
  if (const toml::array* search = table["unqualified-search-registries"].as_array()) {
    conf.search.clear();
    for (const toml::node& node : *search) {
      const auto name = node.value_exact<std::string>();
      if (!name) refuse(file, "'unqualified-search-registries' is not a list of strings");
      conf.search.push_back(*name);
    }
  }
  if (const std::string mode = text_of(table, "short-name-mode", file); !mode.empty()) {
    if (mode != "enforcing" && mode != "permissive" && mode != "disabled")
      refuse(file, fmt::format("'short-name-mode' is '{}'", mode));
    conf.short_name_mode = mode;
  }
  if (const toml::table* aliases = table["aliases"].as_table()) {
    for (const auto& [name, node] : *aliases) {
      const auto target = node.value_exact<std::string>();
      if (!target) refuse(file, "an alias is not a string");
      conf.aliases[std::string(name.str())] = *target;
    }
  }
  if (const toml::array* registries = table["registry"].as_array()) {
    for (const toml::node& node : *registries) {
      const toml::table* one = node.as_table();
      if (one == nullptr) refuse(file, "a registry is no table");
      RegistriesConf::Registry registry = registry_of(*one, file);
      std::erase_if(conf.registries, [&](const auto& other) { return other.prefix == registry.prefix; });
      conf.registries.push_back(std::move(registry));
      if (conf.registries.size() > kMostRegistries) refuse(file, "too many registries");
    }
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void add_file(RegistriesConf& conf, const std::string& file) {
  add_registries_conf(conf, read_file(file, kLargestFile), file);
}

/// "registry/repository" beginning with the prefix at the end of one of its parts; how much of it the prefix covers. 0:
/// it doesn't begin so.
std::size_t matched(const std::string& prefix, const Reference& reference) {
  if (prefix.starts_with("*.")) {
    const std::string_view suffix = std::string_view(prefix).substr(1);
    return reference.registry.size() > suffix.size() && reference.registry.ends_with(suffix) ? suffix.size() : 0;
  }
  const std::string name = reference.registry + "/" + reference.repository;
  const std::string whole = reference.canonical();
  if (whole == prefix || name == prefix) return prefix.size();
  return name.starts_with(prefix) && name[prefix.size()] == '/' ? prefix.size() : 0;
}

/// The reference with `location` in place of what the prefix covers.
Reference moved(const std::string& prefix, const std::string& location, const Reference& reference) {
  if (location.empty()) return reference;
  const std::string name = reference.registry + "/" + reference.repository;
  const std::size_t covered =
      prefix.starts_with("*.") ? reference.registry.size() : std::min(prefix.size(), name.size());
  const std::string text = location + name.substr(covered);
  Reference target = reference;
  const auto slash = text.find('/');
  if (slash == std::string::npos) throw InvalidInput(fmt::format("registries.conf leads '{}' to '{}'", name, text));
  target.registry = text.substr(0, slash);
  target.repository = text.substr(slash + 1);
  (void)parse_reference(target.registry + "/" + target.repository);
  return target;
}

/// Whether the name says no registry: "busybox", "group/tool:1".
bool is_short(std::string_view text, const Reference& parsed) {
  return parsed.registry == "docker.io" && !text.starts_with("docker.io/") && !text.starts_with("index.docker.io/");
}

}  // namespace

void add_registries_conf(RegistriesConf& conf, std::string_view text, const std::string& file) {
  try {
    add_table(conf, toml::parse(text), file);
  } catch (const toml::parse_error& error) {
    refuse(file, fmt::format("line {}: {}", error.source().begin.line, error.description()));
  }
}

RegistriesConf load_registries_conf() {
  RegistriesConf conf;
  if (const std::string only = environment("CONTAINERS_REGISTRIES_CONF"); !only.empty()) {
    add_file(conf, only);
    return conf;
  }
  std::string own = environment("XDG_CONFIG_HOME");
  if (const std::string home = environment("HOME"); own.empty() && !home.empty()) own = home + "/.config";
  std::vector<std::string> places = {"/etc/containers/registries.conf"};
  if (!own.empty()) places.push_back(own + "/containers/registries.conf");
  const auto first = std::find_if(places.rbegin(), places.rend(), path_exists);
  if (first != places.rend()) add_file(conf, *first);
  for (const std::string& place : places) {
    std::vector<std::string> names = list_directory(place + ".d");
    std::ranges::sort(names);
    for (const std::string& name : names) {
      if (name.ends_with(".conf")) add_file(conf, fmt::format("{}.d/{}", place, name));
    }
  }
  return conf;
}

std::vector<Endpoint> endpoints_of(const RegistriesConf& conf, const Reference& reference) {
  const RegistriesConf::Registry* best = nullptr;
  std::size_t most = 0;
  for (const RegistriesConf::Registry& registry : conf.registries) {
    if (const std::size_t size = matched(registry.prefix, reference); size > most) {
      best = &registry;
      most = size;
    }
  }
  if (best == nullptr) return {{reference, false}};
  if (best->blocked) {
    throw Conflict(fmt::format("registry '{}' is blocked for '{}'", best->prefix, reference.familiar()),
                   "registries.conf says so");
  }
  std::vector<Endpoint> endpoints;
  for (const RegistriesConf::Mirror& mirror : best->mirrors) {
    if (reference.digest.empty() ? !mirror.tags : !mirror.digests) continue;
    endpoints.push_back({moved(best->prefix, mirror.location, reference), mirror.insecure});
  }
  endpoints.push_back({moved(best->prefix, best->location, reference), best->insecure});
  return endpoints;
}

bool is_insecure(const RegistriesConf& conf, const std::string& registry) {
  return endpoints_of(conf, {registry, "x", {}, {}}).back().insecure;
}

std::vector<Reference> candidates_of(const RegistriesConf& conf, std::string_view text) {
  const Reference parsed = parse_reference(text);
  if (!is_short(text, parsed)) return {parsed};
  const std::size_t end = text.find_first_of(":@");
  const std::string name(text.substr(0, end)), rest(end == std::string_view::npos ? "" : text.substr(end));
  if (const auto alias = conf.aliases.find(name); alias != conf.aliases.end())
    return {parse_reference(alias->second + rest)};
  if (conf.search.empty()) return {parsed};
  if (conf.search.size() > 1 && conf.short_name_mode == "enforcing") {
    throw Conflict(fmt::format("the short name '{}' may stand for images of {} registries", name, conf.search.size()),
                   fmt::format("name the registry: {}/{}", conf.search.front(), text));
  }
  std::vector<Reference> candidates;
  for (const std::string& registry : conf.search)
    candidates.push_back(parse_reference(fmt::format("{}/{}", registry, text)));
  return candidates;
}

}  // namespace sandbox::image
