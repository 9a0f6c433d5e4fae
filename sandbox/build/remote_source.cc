// See remote_source.h. Git URLs are as BuildKit has them (util/gitutil, frontend/dockerfile/dfgitutil).
#include "sandbox/build/remote_source.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/build/path_pattern.h"

namespace sandbox::build {
namespace {

/// Where the fragment or query of a git URL begins.
std::size_t end_of_repository(std::string_view text) { return std::min(text.find_first_of("#?"), text.size()); }

bool is_commit(std::string_view text) {
  return text.size() >= 7 && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

bool is_http_url(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

bool is_git_url(std::string_view text) {
  if (text.starts_with("git@") || text.starts_with("git://") || text.starts_with("ssh://") ||
      text.starts_with("github.com/"))
    return true;
  return is_http_url(text) && text.substr(0, end_of_repository(text)).ends_with(".git");
}

GitSource parse_git_url(std::string_view text) {
  GitSource source;
  const std::size_t end = end_of_repository(text);
  source.url = text.substr(0, end);
  if (source.url.starts_with("github.com/")) source.url.insert(0, "https://");
  std::string_view rest = text.substr(end);
  const auto set = [&](std::string_view key, std::string_view value) {
    if (key == "ref" || key == "branch" || key == "tag")
      source.ref = value;
    else if (key == "subdir")
      source.directory = value;
    else if (key == "checksum" || key == "commit")
      source.commit = value;
    else
      throw InvalidInput(fmt::format("'{}': unexpected query '{}'", text, key),
                         "ref, branch, tag, subdir and checksum are known");
  };
  if (rest.starts_with('#')) {
    const auto colon = rest.find(':');
    set("ref", rest.substr(1, colon == std::string_view::npos ? colon : colon - 1));
    if (colon != std::string_view::npos) set("subdir", rest.substr(colon + 1));
  }
  while (rest.starts_with('?') || rest.starts_with('&')) {
    rest.remove_prefix(1);
    const std::string_view field = rest.substr(0, rest.find('&'));
    rest.remove_prefix(field.size());
    const auto equals = std::min(field.find('='), field.size());
    set(field.substr(0, equals), field.substr(std::min(equals + 1, field.size())));
  }
  if (source.ref.starts_with('-') || source.url.starts_with('-') || text.find('\0') != std::string_view::npos)
    throw InvalidInput(fmt::format("'{}' is no repository", text));
  if (!source.commit.empty() && !is_commit(source.commit))
    throw InvalidInput(fmt::format("'{}': a commit has 7 to 64 hexadecimal digits", source.commit));
  source.directory = clean_path(source.directory);
  if (source.directory == ".") source.directory.clear();
  return source;
}

std::string file_name_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, end_of_repository(url));
  const auto slash = url.rfind('/');
  if (slash == std::string_view::npos) return {};
  std::string name(url.substr(slash + 1));
  return name == "." || name == ".." ? std::string() : name;
}

bool is_remote(std::string_view text) { return is_git_url(text) || is_http_url(text); }

}  // namespace sandbox::build
