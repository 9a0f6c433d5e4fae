// libarchive, loaded at first use: a table of its functions with the types of the real header. Runs
// in any process; a program that unpacks and packs nothing never maps the library.
#pragma once

#include <archive.h>
#include <archive_entry.h>

namespace sandbox::overlay {

/// Usage: `const auto& lib = ArchiveLibrary::get(); archive* a = lib.archive_read_new();`.
struct ArchiveLibrary {
  /// The loaded library. Thread-safe. Throws Unsupported, naming the package, when it is missing.
  static const ArchiveLibrary& get();

#define SANDBOX_ARCHIVE_FUNCTIONS(X)   \
  X(archive_error_string)              \
  X(archive_read_new)                  \
  X(archive_read_free)                 \
  X(archive_read_support_format_tar)   \
  X(archive_read_support_filter_gzip)  \
  X(archive_read_support_filter_zstd)  \
  X(archive_read_open)                 \
  X(archive_read_open_fd)              \
  X(archive_read_next_header)          \
  X(archive_read_data)                 \
  X(archive_read_data_block)           \
  X(archive_read_support_filter_xz)    \
  X(archive_read_support_filter_bzip2) \
  X(archive_read_support_format_empty) \
  X(archive_read_support_format_raw)   \
  X(archive_entry_pathname)            \
  X(archive_entry_hardlink)            \
  X(archive_entry_symlink)             \
  X(archive_entry_filetype)            \
  X(archive_entry_perm)                \
  X(archive_entry_uid)                 \
  X(archive_entry_gid)                 \
  X(archive_entry_size)                \
  X(archive_entry_mtime)               \
  X(archive_entry_mtime_nsec)          \
  X(archive_entry_mtime_is_set)        \
  X(archive_entry_rdevmajor)           \
  X(archive_entry_rdevminor)           \
  X(archive_entry_acl_reset)           \
  X(archive_entry_acl_next)            \
  X(archive_entry_xattr_reset)         \
  X(archive_entry_xattr_next)

#define SANDBOX_ARCHIVE_MEMBER(name) decltype(&::name) name = nullptr;
  SANDBOX_ARCHIVE_FUNCTIONS(SANDBOX_ARCHIVE_MEMBER)
#undef SANDBOX_ARCHIVE_MEMBER
};

}  // namespace sandbox::overlay
