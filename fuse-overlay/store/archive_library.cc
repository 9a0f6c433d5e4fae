// See archive_library.h. The table is filled once and lives as long as the process.
#include "fuse-overlay/store/archive_library.h"

#include <dlfcn.h>

#include "sandbox/base/error.h"

namespace sandbox::overlay {
namespace {

template <class Function>
void load(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  if (function == nullptr) throw Unsupported(fmt::format("libarchive.so.13 lacks '{}'", name), "update libarchive13");
}

ArchiveLibrary load_library() {
  void* library = ::dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    throw Unsupported(fmt::format("loading libarchive.so.13: {}", reason == nullptr ? "unknown error" : reason),
                      "install the package libarchive13");
  }
  ArchiveLibrary table;
#define SANDBOX_ARCHIVE_LOAD(name) load(library, #name, table.name);
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
