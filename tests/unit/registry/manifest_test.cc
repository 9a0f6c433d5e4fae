// Manifests and platforms, without a server.
#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/image/registry_manifest.h"
#include "sandbox/image/registry_referrers.h"

using namespace sandbox;
using namespace sandbox::image;

namespace {

const std::string kIndex = "application/vnd.oci.image.index.v1+json";
const std::string kManifest = "application/vnd.oci.image.manifest.v1+json";

std::string digest_of(char c) { return "sha256:" + std::string(64, c); }

std::string entry(char c, const std::string& architecture, const std::string& variant) {
  return R"({"mediaType":")" + kManifest + R"(","digest":")" + digest_of(c) +
         R"(","size":7,"platform":{"os":"linux",)" + R"("architecture":")" + architecture + R"(","variant":")" +
         variant + R"("}})";
}

std::string index_of(const std::string& entries) {
  return R"({"schemaVersion":2,"manifests":[)" + entries + "]}";
}

std::string chosen(const std::string& entries, const std::string& platform) {
  return choose_manifest(parse_registry_document(index_of(entries), kIndex), parse_platform(platform), "x").digest;
}

}  // namespace

TEST_CASE("the entry with the fitting architecture and the best variant is chosen") {
  const std::string all = entry('1', "amd64", "") + "," + entry('5', "arm", "v5") + "," + entry('6', "arm", "v6") +
                          "," + entry('8', "arm64", "v8");
  CHECK(chosen(all, "linux/amd64") == digest_of('1'));
  CHECK(chosen(all, "linux/arm64") == digest_of('8'));
  CHECK(chosen(all, "linux/arm/v7") == digest_of('6'));
  CHECK(chosen(all, "linux/arm/v6") == digest_of('6'));
  CHECK_THROWS_WITH_AS(chosen(all, "linux/s390x"),
                       "no image for linux/s390x in the index of x (available: linux/amd64, linux/arm/v5, "
                       "linux/arm/v6, linux/arm64/v8)",
                       NotFound);
}

TEST_CASE("platforms of other systems are a usage error") {
  for (const char* text : {"windows/amd64", "linux", "linux/", "linux/a/b/c"}) {
    CHECK_THROWS_AS(parse_platform(text), UsageError);
  }
  CHECK(parse_platform("").os == "linux");
}

TEST_CASE("descriptors with a path for a digest or a strange size are refused") {
  const auto layer = [](const std::string& digest, const std::string& size) {
    return parse_registry_document(
        R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
            digest_of('a') +
            R"(","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":")" + digest +
            R"(","size":)" + size + R"(,"urls":["http://elsewhere/"]}]})",
        kManifest);
  };
  CHECK(read_manifest(layer(digest_of('b'), "5")).layers.size() == 1);
  CHECK_THROWS_AS(read_manifest(layer("sha256:../../x", "5")), InvalidInput);
  CHECK_THROWS_AS(read_manifest(layer(digest_of('G'), "5")), InvalidInput);
  for (const char* size : {"-1", "1.5", "\"5\"", "null", "18446744073709551615", "1e300"}) {
    CAPTURE(size);
    CHECK_THROWS_AS(read_manifest(layer(digest_of('b'), size)), InvalidInput);
  }
}

TEST_CASE("documents without their list, of schema 1 or of no known type are refused") {
  CHECK_THROWS_AS(parse_registry_document(R"({"schemaVersion":1,"layers":[]})", kManifest), InvalidInput);
  CHECK_THROWS_AS(parse_registry_document(R"({"schemaVersion":2,"layers":{}})", kManifest), InvalidInput);
  CHECK_THROWS_AS(parse_registry_document(R"({"schemaVersion":2,"layers":[]})", kIndex), InvalidInput);
  CHECK_THROWS_AS(parse_registry_document(R"({"schemaVersion":2,"layers":[]})", "text/html"), InvalidInput);
  CHECK_THROWS_AS(parse_registry_document("[]", kManifest), InvalidInput);
  CHECK_THROWS_AS(parse_registry_document("<html>", kManifest), InvalidInput);
}

TEST_CASE("a config must list one valid diff id for each layer") {
  ManifestContent content;
  content.layers.resize(1);
  CHECK_THROWS_AS(check_config("{}", content), InvalidInput);
  CHECK_THROWS_AS(check_config(R"({"rootfs":{"diff_ids":[]}})", content), InvalidInput);
  CHECK_THROWS_AS(check_config(R"({"rootfs":{"diff_ids":["x"]}})", content), InvalidInput);
  const Platform platform = check_config(
      R"({"os":"linux","architecture":"arm64","rootfs":{"diff_ids":[")" + digest_of('c') + R"("]}})", content);
  CHECK(platform.text() == "linux/arm64");
}

TEST_CASE("what refers to an image is listed with its type and annotations") {
  CHECK(referrers_tag(digest_of('a')) == "sha256-" + std::string(64, 'a'));
  CHECK(referrers_tag("sha512:" + std::string(128, 'a')) == "sha512-" + std::string(64, 'a'));
  const Descriptor pushed{kManifest, digest_of('b'), 7};
  const Json plain = {{"mediaType", kManifest}, {"digest", digest_of('b')}, {"size", 7}};
  Json typed = plain;
  typed["artifactType"] = "text/x";
  CHECK(referrer_entry(pushed, Json::object()) == plain);
  CHECK(referrer_entry(pushed, {{"config", {{"mediaType", "text/x"}}}}) == typed);
  const Json entry = referrer_entry(
      pushed, {{"artifactType", "text/x"}, {"config", {{"mediaType", "text/y"}}}, {"annotations", {{"a", "b"}}}});
  typed["annotations"] = {{"a", "b"}};
  CHECK(entry == typed);
}
