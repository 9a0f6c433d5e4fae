// See shared_library.h.
#include "sandbox/base/shared_library.h"

#include <dlfcn.h>

#include "sandbox/base/error.h"

namespace sandbox {

SharedLibrary::SharedLibrary(const char* name, const char* hint)
    : name_(name), hint_(hint), handle_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ != nullptr) return;
  const char* reason = ::dlerror();
  throw Unsupported(fmt::format("loading {}: {}", name, reason != nullptr ? reason : "not found"), hint);
}

void* SharedLibrary::address(const char* symbol) const {
  void* found = ::dlsym(handle_, symbol);
  if (found == nullptr) throw Unsupported(fmt::format("{} lacks '{}'", name_, symbol), hint_);
  return found;
}

}  // namespace sandbox
