// Secrets of the user, for containers: secrets/<name>.json, 0600, in a directory closed to others. Readers take no
// lock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"
#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"

namespace sandbox::container {

struct Secret {
  std::string name, id;                   ///< Of the id, 25 hexadecimal digits, a unique beginning is enough.
  std::int64_t created = 0, updated = 0;  ///< Seconds since the epoch.
  std::map<std::string, std::string> labels;
  std::string data;
};

inline constexpr std::size_t most_secret_bytes = 512'000;  ///< Podman's bound.

Json to_json(const Secret& secret);
/// Throws InvalidInput naming the field.
Secret secret_from_json(const Json& document);

/// Sets the variables whose values are secrets of the container in `env`.
void add_secret_variables(const Container& container, std::vector<std::string>& env);

class SecretStore {
 public:
  explicit SecretStore(const Places& places) : root_(places.data + "/secrets") {}

  /// By name, id or a unique beginning of the id. Throws NotFound "no secret with name or id".
  Secret find(std::string_view reference) const;
  std::vector<Secret> list() const;  ///< By name; unreadable ones are left out with a warning.
  /// On the disk when it returns. Throws Conflict when there is one of this name, unless `replace`.
  void add(const Secret& secret, bool replace) const;
  void remove(const Secret& secret) const;

 private:
  std::string path_of(const std::string& name) const { return root_ + "/" + name + ".json"; }

  std::string root_;
};

}  // namespace sandbox::container
