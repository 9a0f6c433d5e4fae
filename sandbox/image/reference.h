// Image references with Docker's defaults (distribution/reference grammar).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandbox::image {

struct Reference {
  std::string registry;    ///< "docker.io", "localhost:5000"
  std::string repository;  ///< "library/busybox"
  std::string tag;         ///< "latest" unless a digest is given
  std::string digest;      ///< "sha256:…", "sha512:…", or empty
  std::string canonical() const;  ///< "docker.io/library/busybox:latest"
  std::string familiar() const;   ///< "busybox:latest"
  std::string familiar_repository() const;  ///< "busybox", "localhost:5000/x"
};

/// Throws UsageError "invalid reference format: …".
Reference parse_reference(std::string_view text);
/// None for what is no reference; perhaps it is an id.
std::optional<Reference> try_parse_reference(std::string_view text);
/// Whether the text says a tag itself.
bool has_tag(std::string_view text);

}  // namespace sandbox::image
