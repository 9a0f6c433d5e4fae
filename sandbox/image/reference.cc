// Image references: distribution/reference's grammar with Docker's defaults. Pure text; runs anywhere.
#include "sandbox/image/reference.h"

#include <algorithm>

#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"

namespace sandbox::image {
namespace {

constexpr std::size_t max_name = 255, max_tag = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return (c >= 'a' && c <= 'z') || is_digit(c); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_lower(c) || is_upper(c); }

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw UsageError(fmt::format("invalid reference format: {}: '{}'", why, text.substr(0, max_name + 1)));
}

/// [a-z0-9]+ separated by one of '.', '_', '__' or any number of '-'.
bool is_path_component(std::string_view part) {
  if (part.empty() || !is_lower(part.front()) || !is_lower(part.back())) return false;
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower(part[i])) {
      ++i;
      continue;
    }
    const std::size_t end = std::min(part.size(), part.find_first_not_of(part[i], i));
    const std::size_t run = end - i;
    const char c = part[i];
    if (!(c == '-' || (c == '.' && run == 1) || (c == '_' && run <= 2)) || !is_lower(part[end])) return false;
    i = end;
  }
  return true;
}

bool is_path(std::string_view path) {
  for (;;) {
    const auto slash = path.find('/');
    if (!is_path_component(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool is_host_name(std::string_view host) {
  for (;;) {
    const auto dot = host.find('.');
    const std::string_view label = host.substr(0, dot);
    if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
    if (!std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; })) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

bool is_registry(std::string_view text) {
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    const auto is_address = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':'; };
    if (!std::ranges::all_of(text.substr(1, close - 1), is_address)) return false;
    if (close + 1 == text.size()) return true;
    if (text[close + 1] != ':') return false;
    port = text.substr(close + 2);
    return !port.empty() && std::ranges::all_of(port, is_digit);
  }
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty() || !std::ranges::all_of(port, is_digit)) return false;
  }
  return is_host_name(host);
}

bool is_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > max_tag || tag.front() == '.' || tag.front() == '-') return false;
  return std::ranges::all_of(tag, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

/// Docker's rule: the first component is a registry when it can't be a Docker Hub user.
bool names_registry(std::string_view first) {
  return first.find_first_of(".:") != std::string_view::npos || first == "localhost" || std::ranges::any_of(first, is_upper);
}

}  // namespace

std::string Reference::canonical() const {
  return fmt::format("{}/{}{}{}", registry, repository, digest.empty() ? ":" : "@", digest.empty() ? tag : digest);
}

std::string Reference::familiar_repository() const {
  if (registry != "docker.io") return registry + "/" + repository;
  return repository.starts_with("library/") ? repository.substr(sizeof "library") : repository;
}

std::string Reference::familiar() const {
  return fmt::format("{}{}{}", familiar_repository(), digest.empty() ? ":" : "@", digest.empty() ? tag : digest);
}

Reference parse_reference(std::string_view text) {
  Reference reference;
  std::string_view rest = text;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = rest.substr(at + 1);
    if (const std::string fault = digest_fault(reference.digest); !fault.empty()) refuse(text, "the digest " + fault);
    rest = rest.substr(0, at);
  }
  const auto slash = rest.find_last_of('/');
  const auto colon = rest.find_last_of(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    reference.tag = rest.substr(colon + 1);
    if (!is_tag(reference.tag)) refuse(text, "bad tag");
    rest = rest.substr(0, colon);
  }
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
  if (rest.empty()) refuse(text, "no repository name");

  const auto first = rest.find('/');
  reference.registry = "docker.io";
  if (first != std::string_view::npos && names_registry(rest.substr(0, first))) {
    reference.registry = rest.substr(0, first);
    if (!is_registry(reference.registry)) refuse(text, "bad registry name");
    if (reference.registry == "index.docker.io") reference.registry = "docker.io";
    rest.remove_prefix(first + 1);
  }
  if (std::ranges::any_of(rest, is_upper)) refuse(text, "repository name must be lowercase");
  if (!is_path(rest)) refuse(text, "bad repository name");
  if (reference.registry == "docker.io" && rest.size() == 64 && !digest_with_hex(rest).empty()) {
    refuse(text, "a repository name can't be 64 hexadecimal digits");
  }
  reference.repository = rest;
  if (reference.registry == "docker.io" && rest.find('/') == std::string_view::npos) {
    reference.repository = "library/" + reference.repository;
  }
  if (reference.registry.size() + 1 + reference.repository.size() > max_name) {
    refuse(text, "repository name longer than 255 characters");
  }
  return reference;
}

std::optional<Reference> try_parse_reference(std::string_view text) {
  try {
    return parse_reference(text);
  } catch (const UsageError&) {
    return std::nullopt;
  }
}

bool has_tag(std::string_view text) {
  const std::string_view name = text.substr(0, text.find('@'));
  return name.find(':', name.rfind('/') + 1) != std::string_view::npos;
}

}  // namespace sandbox::image
