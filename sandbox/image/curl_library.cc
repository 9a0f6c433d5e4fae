// See curl_library.h.
#include "sandbox/image/curl_library.h"

#include "sandbox/base/error.h"
#include "sandbox/base/shared_library.h"

namespace sandbox::image {
namespace {

CurlLibrary load() {
  const SharedLibrary library("libcurl.so.4", "registries need it; install it with: apt install libcurl4");
  CurlLibrary table{};
  library.resolve("curl_easy_init", table.easy_init);
  library.resolve("curl_easy_setopt", table.easy_setopt);
  library.resolve("curl_easy_perform", table.easy_perform);
  library.resolve("curl_easy_getinfo", table.easy_getinfo);
  library.resolve("curl_easy_strerror", table.easy_strerror);
  library.resolve("curl_easy_reset", table.easy_reset);
  library.resolve("curl_easy_cleanup", table.easy_cleanup);
  library.resolve("curl_slist_append", table.slist_append);
  library.resolve("curl_slist_free_all", table.slist_free_all);
  library.resolve("curl_url", table.url);
  library.resolve("curl_url_set", table.url_set);
  library.resolve("curl_url_get", table.url_get);
  library.resolve("curl_url_cleanup", table.url_cleanup);
  library.resolve("curl_free", table.free);
  decltype(&::curl_global_init) global_init = nullptr;
  library.resolve("curl_global_init", global_init);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Unsupported("libcurl can't be initialised");
  return table;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary table = load();
  return table;
}

}  // namespace sandbox::image
