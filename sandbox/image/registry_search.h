// Searching registries: Docker Hub's way (/v1/search), and the list of all repositories where a registry has none
// (distribution's /v2/_catalog). Runs in the process of `sandbox search`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/image/reference.h"

namespace sandbox::image {

struct Found {
  std::string name;  ///< As it is pulled: "busybox", "localhost:5000/group/x".
  std::string description;
  std::uint64_t stars = 0;
  bool official = false;
};

/// What `registry` ("docker.io", "localhost:5000") has for `term`, at most `limit`, the best first where it says so.
/// Throws Error, InvalidInput for nonsense.
std::vector<Found> search(const std::string& registry, const std::string& term, std::size_t limit);

/// The tags of a repository, in order. Throws Error, NotFound when there is no such repository.
std::vector<std::string> list_tags(const Reference& repository);

/// The results of a search's answer; those without a name are left out. Throws InvalidInput. Pure.
std::vector<Found> parse_search(const std::string& body);
/// The strings of the list `key` of one page: "repositories" of a catalogue, "tags". Throws InvalidInput. Pure.
std::vector<std::string> parse_names(const std::string& body, const char* key);
/// The target of a Link header's rel="next" (RFC 8288); empty when there is none. Pure.
std::string next_link(std::string_view header);

}  // namespace sandbox::image
