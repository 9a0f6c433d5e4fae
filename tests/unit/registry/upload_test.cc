// What registries say about uploads and errors, without a server.
#include <doctest/doctest.h>

#include "sandbox/image/registry_error.h"
#include "sandbox/image/registry_upload.h"

using namespace sandbox::image;

TEST_CASE("the range of an upload says how much has arrived") {
  CHECK(uploaded_bytes("0-99") == 100);
  CHECK(uploaded_bytes("bytes=0-4294967296") == 4294967297);
  for (const char* text : {"", "0-0", "0-", "1-99", "0-99x", "0--1", "0-99999999999999999999999", "bytes"}) {
    CAPTURE(text);
    CHECK(uploaded_bytes(text) == 0);
  }
}

TEST_CASE("the first error of an answer is told in docker's words") {
  CHECK(registry_error(R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"},{"code":"X"}]})") ==
        "manifest unknown: manifest unknown");
  CHECK(registry_error(R"({"errors":[{"code":"DENIED"}]})") == "denied");
  CHECK(registry_error(R"({"errors":[{"code":"A","message":"\u001b[2J\n"}]})") == "a: ?[2J?");
  for (const char* text : {"", "<html>", "[]", "{}", R"({"errors":{}})", R"({"errors":[]})", R"({"errors":[3]})"}) {
    CAPTURE(text);
    CHECK(registry_error(text) == "");
  }
}

TEST_CASE("a registry that asks for more patience than anybody has is not waited for") {
  HttpResponse busy;
  busy.status = 429;
  CHECK(is_worth_retrying(busy));
  CHECK(back_off(busy, 1) == std::chrono::milliseconds(500));
  busy.headers = {{"retry-after", "3"}};
  CHECK(back_off(busy, 1) == std::chrono::seconds(3));
  for (const char* text : {"11", "3600", "99999999999999999999"}) {
    busy.headers = {{"retry-after", text}};
    CHECK(back_off(busy, 0).count() < 0);
  }
}
