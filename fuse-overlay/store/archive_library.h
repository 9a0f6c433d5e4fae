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

#define SANDBOX_ARCHIVE_FUNCTIONS(X)                                                                   \
  X(archive_error_string)                                                                              \
  X(archive_errno)                                                                                     \
  X(archive_read_new)                                                                                  \
  X(archive_read_free)                                                                                 \
  X(archive_read_support_format_tar)                                                                   \
  X(archive_read_support_format_zip)                                                                   \
  X(archive_read_support_filter_gzip)                                                                  \
  X(archive_read_support_filter_zstd)                                                                  \
  X(archive_read_support_filter_all)                                                                   \
  X(archive_read_set_format)                                                                           \
  X(archive_read_append_filter)                                                                        \
  X(archive_read_set_options)                                                                          \
  X(archive_read_open)                                                                                 \
  X(archive_read_open_fd)                                                                              \
  X(archive_read_open_memory)                                                                          \
  X(archive_read_next_header)                                                                          \
  X(archive_read_data)                                                                                 \
  X(archive_read_data_block)                                                                           \
  X(archive_read_data_skip)                                                                            \
  X(archive_write_new)                                                                                 \
  X(archive_write_free)                                                                                \
  X(archive_write_close)                                                                               \
  X(archive_write_set_format_pax_restricted)                                                           \
  X(archive_write_set_format_ustar)                                                                    \
  X(archive_write_set_bytes_in_last_block)                                                             \
  X(archive_write_add_filter_gzip)                                                                     \
  X(archive_write_add_filter_zstd)                                                                     \
  X(archive_write_add_filter_none)                                                                     \
  X(archive_write_set_options)                                                                         \
  X(archive_write_open)                                                                                \
  X(archive_write_open_fd)                                                                             \
  X(archive_write_header)                                                                              \
  X(archive_write_data)                                                                                \
  X(archive_entry_new)                                                                                 \
  X(archive_entry_free)                                                                                \
  X(archive_entry_clear)                                                                               \
  X(archive_entry_pathname)                                                                            \
  X(archive_entry_pathname_utf8)                                                                       \
  X(archive_entry_hardlink)                                                                            \
  X(archive_entry_symlink)                                                                             \
  X(archive_entry_filetype)                                                                            \
  X(archive_entry_perm)                                                                                \
  X(archive_entry_mode)                                                                                \
  X(archive_entry_uid)                                                                                 \
  X(archive_entry_gid)                                                                                 \
  X(archive_entry_size)                                                                                \
  X(archive_entry_size_is_set)                                                                         \
  X(archive_entry_mtime)                                                                               \
  X(archive_entry_mtime_nsec)                                                                          \
  X(archive_entry_mtime_is_set)                                                                        \
  X(archive_entry_rdev)                                                                                \
  X(archive_entry_rdevmajor)                                                                           \
  X(archive_entry_rdevminor)                                                                           \
  X(archive_entry_xattr_reset)                                                                         \
  X(archive_entry_xattr_next)                                                                          \
  X(archive_entry_xattr_add_entry)                                                                     \
  X(archive_entry_set_pathname)                                                                        \
  X(archive_entry_set_hardlink)                                                                        \
  X(archive_entry_set_symlink)                                                                         \
  X(archive_entry_set_filetype)                                                                        \
  X(archive_entry_set_perm)                                                                            \
  X(archive_entry_set_mode)                                                                            \
  X(archive_entry_set_uid)                                                                             \
  X(archive_entry_set_gid)                                                                             \
  X(archive_entry_set_size)                                                                            \
  X(archive_entry_set_mtime)                                                                           \
  X(archive_entry_set_rdevmajor)                                                                       \
  X(archive_entry_set_rdevminor)

#define SANDBOX_ARCHIVE_MEMBER(name) decltype(&::name) name = nullptr;
  SANDBOX_ARCHIVE_FUNCTIONS(SANDBOX_ARCHIVE_MEMBER)
#undef SANDBOX_ARCHIVE_MEMBER
};

}  // namespace sandbox::overlay
