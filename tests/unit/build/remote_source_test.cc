#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/build/remote_source.h"

using namespace sandbox;
using namespace sandbox::build;

TEST_CASE("what is a repository, a file elsewhere, or a path") {
  for (const char* text : {"https://host/x.git", "http://host/x.git#v1", "https://host/x.git?ref=v1", "git@host:x",
                           "git://h/x", "ssh://git@h/x", "github.com/a/b"})
    CHECK(is_git_url(text));
  for (const char* text : {"https://host/x.tar", "http://host/", "https://host/x.gitt", "https://host/x?a=.git"}) {
    CHECK(!is_git_url(text));
    CHECK(is_http_url(text));
  }
  for (const char* text : {"x.git", "./github.com/a", "ftp://h/x", ""}) CHECK(!is_remote(text));
}

TEST_CASE("a repository's URL has a ref and a directory behind it") {
  const GitSource plain = parse_git_url("https://host/x.git");
  CHECK(plain.url == "https://host/x.git");
  CHECK(plain.ref.empty());
  const GitSource fragment = parse_git_url("https://host/x.git#v1:a/../b/./c");
  CHECK(fragment.url == "https://host/x.git");
  CHECK(fragment.ref == "v1");
  CHECK(fragment.directory == "b/c");
  CHECK(parse_git_url("https://host/x.git#:d").directory == "d");
  const GitSource query = parse_git_url("https://host/x.git?branch=main&subdir=a&commit=0123456789abcdef");
  CHECK(query.ref == "main");
  CHECK(query.directory == "a");
  CHECK(query.commit == "0123456789abcdef");
  CHECK(parse_git_url("github.com/a/b").url == "https://github.com/a/b");
  CHECK(parse_git_url("https://host/x.git#v:../../etc").directory == "etc");
}

TEST_CASE("what git could take for an option, and what is no commit, is refused") {
  for (const char* text :
       {"https://host/x.git#--upload-pack=touch", "https://host/x.git?ref=-x", "https://host/x.git?what=1",
        "https://host/x.git?commit=xyz", "https://host/x.git?commit=123"})
    CHECK_THROWS_AS((void)parse_git_url(text), InvalidInput);
}

TEST_CASE("a file has the last name of its URL") {
  CHECK(file_name_of("https://host/a/b.tar?x=1#y") == "b.tar");
  CHECK(file_name_of("https://host/a/") == "");
  CHECK(file_name_of("https://host") == "");
  CHECK(file_name_of("https://host/..") == "");
}
