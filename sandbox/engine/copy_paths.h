// The rules by which `cp` understands its two paths (docker container cp, "Description"). Pure.
#pragma once

#include <string>
#include <string_view>

namespace sandbox::engine {

/// One argument of `cp`.
struct CopyPlace {
  std::string container;  ///< Empty: on this machine.
  std::string path;       ///< As given; "-" without a container is a stream.

  bool is_stream() const { return container.empty() && path == "-"; }
};

/// "CONTAINER:PATH" or a local path; one with a colon is local if it begins with "/" or ".".
CopyPlace parse_copy_place(std::string_view word);

/// What the words of a source path ask for.
struct CopySource {
  std::string path;        ///< Without trailing slashes and "/.".
  std::string name;        ///< What it is called at the destination; empty for a root.
  bool contents = false;   ///< "/.": what is in the directory, not the directory.
  bool directory = false;  ///< A trailing slash: it has to be one.
  bool followed = false;   ///< A symbolic link stands for what it leads to.
};
CopySource read_copy_source(std::string_view path, bool follow_link);

/// What is at the destination.
enum class CopyTarget { absent, directory, other };

/// Where the source goes: below the directory at the destination's own path, or beside it.
struct CopyDecision {
  bool into_directory = false;  ///< Else: into the parent of the destination's path, under its last name.
  bool under_own_name = false;  ///< Into the directory, as `name`; else its contents go there.
};
/// Throws Error in Docker's words. `trailing_slash`: of the destination.
CopyDecision decide_copy(const CopySource& source, bool source_is_directory, CopyTarget target, bool trailing_slash);

}  // namespace sandbox::engine
