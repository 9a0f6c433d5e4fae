// Where a build fetches from: words of URLs and git repositories. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sandbox::build {

bool is_http_url(std::string_view text);
/// "https://host/x.git", "git@host:x", "git://…", "ssh://…", with "#ref:directory" or "?ref=…&subdir=…" behind it.
bool is_git_url(std::string_view text);
/// Either of them.
bool is_remote(std::string_view text);

struct GitSource {
  std::string url;
  std::string ref;        ///< A branch, tag or commit; empty: the repository's own.
  std::string directory;  ///< Below its root, clean; empty: all of it.
  std::string commit;     ///< What the ref has to be, or its beginning; empty: anything.
};
/// Throws InvalidInput.
GitSource parse_git_url(std::string_view text);

/// The last name of a URL's path: what ADD calls the file. Empty when there is none.
std::string file_name_of(std::string_view url);

}  // namespace sandbox::build
