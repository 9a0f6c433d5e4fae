// See copy_paths.h. The messages are those of moby's archive package and docker/cli (cli/command/container/cp.go).
#include "sandbox/engine/copy_paths.h"

#include "sandbox/base/error.h"

namespace sandbox::engine {
namespace {

std::string_view last_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

CopyPlace parse_copy_place(std::string_view word) {
  const auto colon = word.find(':');
  const bool local = colon == std::string_view::npos || word.starts_with('/') || word.starts_with('.');
  if (local) return {{}, std::string(word)};
  return {std::string(word.substr(0, colon)), std::string(word.substr(colon + 1))};
}

CopySource read_copy_source(std::string_view path, bool follow_link) {
  CopySource source;
  source.contents = last_name(path) == ".";
  source.directory = source.contents || path.ends_with('/');
  source.followed = follow_link || source.directory;
  for (;;) {
    if (path.size() > 1 && path.ends_with('/'))
      path.remove_suffix(1);
    else if (path.ends_with("/."))
      path.remove_suffix(1);
    else
      break;
  }
  source.path = path;
  const std::string_view name = last_name(path);
  if (name != "." && name != "..") source.name = name;
  if (source.name.empty()) source.contents = true;  // a root, or ".." of it: it has no name that it could be given
  return source;
}

CopyDecision decide_copy(const CopySource& source, bool source_is_directory, CopyTarget target, bool trailing_slash) {
  if (source.directory && !source_is_directory) throw Error("not a directory");
  switch (target) {
    case CopyTarget::directory:
      return {.into_directory = true, .under_own_name = !source.contents};
    case CopyTarget::other:
      if (trailing_slash) throw Error("not a directory");
      if (source_is_directory) throw Error("cannot copy directory");
      return {};
    case CopyTarget::absent:
      if (trailing_slash && !source_is_directory) throw Error("no such directory");
      return {};
  }
  return {};
}

}  // namespace sandbox::engine
