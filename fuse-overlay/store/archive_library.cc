// See archive_library.h. The table is filled once and lives as long as the process.
#include "fuse-overlay/store/archive_library.h"

#include "sandbox/base/shared_library.h"

namespace sandbox::overlay {
namespace {

ArchiveLibrary load_library() {
  const SharedLibrary library("libarchive.so.13", "install it with: apt install libarchive13");
  ArchiveLibrary table;
#define SANDBOX_ARCHIVE_LOAD(name) library.resolve(#name, table.name);
  SANDBOX_ARCHIVE_FUNCTIONS(SANDBOX_ARCHIVE_LOAD)
#undef SANDBOX_ARCHIVE_LOAD
  return table;
}

}  // namespace

const ArchiveLibrary& ArchiveLibrary::get() {
  static const ArchiveLibrary library = load_library();
  return library;
}

}  // namespace sandbox::overlay
