// libcurl as a table of function pointers. The library is loaded by the first request to a registry, so that every
// other command starts without mapping it and its thirty dependencies.
#pragma once

#include <curl/curl.h>

namespace sandbox::image {

/// Typed by the real header: a changed signature fails to compile.
struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&::curl_url) url;
  decltype(&::curl_url_set) url_set;
  decltype(&::curl_url_get) url_get;
  decltype(&::curl_url_cleanup) url_cleanup;
  decltype(&::curl_free) free;
};

/// Loads libcurl.so.4 once; it stays loaded. Throws Unsupported naming the package when it is absent.
const CurlLibrary& curl_library();

}  // namespace sandbox::image
