// Reading archives through libarchive, loaded at first use.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "sandbox/base/digest.h"
#include "sandbox/base/json_fwd.h"

namespace sandbox::image {

/// A regular member of an archive, written to a file.
struct Member {
  std::string path;    ///< The file, in the staging directory.
  std::string digest;  ///< Of its content, by the algorithm of the one that its name promises.
  std::uint64_t size = 0;
};

/// Writes every regular member of the tar (any compression) at `fd` into files of the existing directory `staging`,
/// named by number. Keys are member names without a leading "./". A symbolic link to one of them is another name of it:
/// so Docker before 25 saves a layer that is there already. Hard links and special files are left out. Throws
/// InvalidInput for absolute names, "..", duplicates, and archives beyond the bounds.
std::map<std::string, Member> extract_members(int fd, const std::string& staging);

/// The same for an OCI layout, or a directory as skopeo writes it: the regular files that it is made of, blobs with the
/// names that they have in a layout. No link is followed. `only`: of a layout, what its index names so alone.
std::map<std::string, Member> copy_layout(int directory, const std::string& staging, const std::string& only = {});

/// The digest that a member's name promises: a layout's blobs/sha256/<hex>, an older archive's <hex>.json. Empty: none.
std::string promised_digest(std::string_view name);

/// Whether the entry of a layout's index.json has this name, as it is there or as a reference.
bool layout_names(const Json& entry, const std::string& name);

/// Digest of the uncompressed content of the file at `path`; also written to `copy` when that isn't empty.
std::string uncompressed_digest(const std::string& path, DigestAlgorithm algorithm, const std::string& copy = {});

/// Throws InvalidInput unless the file at `path` is a tar, in any compression.
void require_tar(const std::string& path);

}  // namespace sandbox::image
