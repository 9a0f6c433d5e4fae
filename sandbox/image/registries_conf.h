// registries.conf, version 2 (containers-registries.conf(5)): where a registry really is, whether it may be asked, and
// what short names stand for.
//
// Decided as plain data: everything here is pure but for load_registries_conf().
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/image/reference.h"

namespace sandbox::image {

struct RegistriesConf {
  struct Mirror {
    std::string location;
    bool insecure = false;
    bool digests = true, tags = true;  ///< What kind of references is pulled from it.
  };
  struct Registry {
    std::string prefix, location;
    bool insecure = false, blocked = false;
    std::vector<Mirror> mirrors;
  };
  std::vector<Registry> registries;
  std::vector<std::string> search;             ///< unqualified-search-registries
  std::map<std::string, std::string> aliases;  ///< Short names and the repositories they stand for.
  std::string short_name_mode;                 ///< "", "enforcing", "permissive", "disabled"
};

/// Adds what one file says, whose words win over what `conf` has. `file` is its name for errors. Throws InvalidInput.
void add_registries_conf(RegistriesConf& conf, std::string_view text, const std::string& file);

/// $CONTAINERS_REGISTRIES_CONF, else ~/.config/containers/registries.conf, else /etc/containers/registries.conf; then
/// the
/// *.conf of the directories registries.conf.d beside the latter two. Empty when there is none.
RegistriesConf load_registries_conf();

/// Where something can be had.
struct Endpoint {
  Reference reference;    ///< Registry and repository to ask.
  bool insecure = false;  ///< Its certificate isn't checked, and plain HTTP is good enough.
};

/// Mirrors first, the registry itself last. Throws Conflict for a registry that is blocked.
std::vector<Endpoint> endpoints_of(const RegistriesConf& conf, const Reference& reference);

/// Of a registry as a whole. Throws Conflict for one that is blocked.
bool is_insecure(const RegistriesConf& conf, const std::string& registry);

/// What `text`, as the user wrote it, may stand for, in the order to try: Docker Hub unless an alias or a list of
/// registries says otherwise. Throws UsageError; Conflict when several registries could be meant and the configuration
/// wants the user to be asked.
std::vector<Reference> candidates_of(const RegistriesConf& conf, std::string_view text);

}  // namespace sandbox::image
