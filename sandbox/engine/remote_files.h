// What a build fetches: files by HTTP, and git repositories. Runs in the client, or in the process of a step; what
// comes is a stranger's.
#pragma once

#include <cstdint>
#include <string>

#include "sandbox/build/remote_source.h"

namespace sandbox::engine {

/// Checks the repository out into the existing empty directory, without .git unless that is kept. Returns the commit.
/// Runs git(1). Throws NotFound where there is none, Error with what git said.
std::string clone(const build::GitSource& source, const std::string& directory, bool keep_git_dir);

struct Download {
  std::string digest;              ///< Of the content.
  std::int64_t last_modified = 0;  ///< Seconds since the epoch; 0 when the server does not say.
};
/// Fetches into a new file at `path`; redirects are followed. At most 64 GiB. Throws Error naming the URL.
Download download(const std::string& url, const std::string& path);

}  // namespace sandbox::engine
