// Loading of libcurl.so.4 with dlopen(3); see curl_library.h.
#include "sandbox/image/curl_library.h"

#include <dlfcn.h>

#include "sandbox/base/error.h"

namespace sandbox::image {
namespace {

constexpr const char* kHint = "install it with: apt install libcurl4";

template <class Function>
void find_symbol(void* library, const char* name, Function& function) {
  void* address = ::dlsym(library, name);
  if (address == nullptr) throw Unsupported(fmt::format("libcurl.so.4 lacks '{}'", name), kHint);
  function = reinterpret_cast<Function>(address);
}

CurlLibrary load() {
  void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = ::dlerror();
    throw Unsupported(fmt::format("registries need libcurl (package libcurl4): {}", reason ? reason : "not found"),
                      kHint);
  }
  CurlLibrary table{};
  find_symbol(library, "curl_easy_init", table.easy_init);
  find_symbol(library, "curl_easy_setopt", table.easy_setopt);
  find_symbol(library, "curl_easy_perform", table.easy_perform);
  find_symbol(library, "curl_easy_getinfo", table.easy_getinfo);
  find_symbol(library, "curl_easy_strerror", table.easy_strerror);
  find_symbol(library, "curl_easy_cleanup", table.easy_cleanup);
  find_symbol(library, "curl_slist_append", table.slist_append);
  find_symbol(library, "curl_slist_free_all", table.slist_free_all);
  find_symbol(library, "curl_url", table.url);
  find_symbol(library, "curl_url_set", table.url_set);
  find_symbol(library, "curl_url_get", table.url_get);
  find_symbol(library, "curl_url_cleanup", table.url_cleanup);
  find_symbol(library, "curl_free", table.free);
  decltype(&::curl_global_init) global_init = nullptr;
  find_symbol(library, "curl_global_init", global_init);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Unsupported("libcurl can't be initialised");
  return table;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary table = load();
  return table;
}

}  // namespace sandbox::image
