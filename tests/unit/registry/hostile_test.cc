// Pull against a registry that lies.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "registry_fixture.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/image/http.h"

using namespace sandbox;
using namespace sandbox::image;
using sandbox::testing::Hostile;

namespace {
bool has(const std::string& text, const std::string& part) {
  INFO("text: " << text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("an image is pulled with docker's lines, and a second pull fetches no blob") {
  Hostile registry("ok");
  const std::string digest = registry.pull();
  CHECK(is_valid_digest(digest));
  CHECK(registry.files_in_store() == 3);
  REQUIRE(registry.lines.size() == 5);
  CHECK(registry.lines[0] == "latest: Pulling from x");
  CHECK(registry.lines[1].ends_with(": Pulling fs layer"));
  CHECK(registry.lines[2].ends_with(": Pull complete"));
  CHECK(registry.lines[3] == "Digest: " + digest);
  CHECK(registry.lines[4] == "Status: Downloaded newer image for " + registry.reference.registry + "/x:latest");

  registry.lines.clear();
  const auto before = registry.log().size();
  CHECK(registry.pull() == digest);
  CHECK(registry.log().substr(before).find("/blobs/") == std::string::npos);
  REQUIRE(registry.lines.size() == 4);
  CHECK(registry.lines[1].ends_with(": Already exists"));
  CHECK(registry.lines[3] == "Status: Image is up to date for " + registry.reference.registry + "/x:latest");
}

TEST_CASE("a layer is unpacked while it comes, also after a cut, and has its name when the image has") {
  for (const char* mode : {"ok", "cut"}) {
    CAPTURE(mode);
    Hostile registry(mode);
    registry.unpacks = true;
    registry.pull();
    CHECK(registry.files_in_store() == 3);
    REQUIRE(registry.lines.size() == 6);
    CHECK(registry.lines[2].ends_with(": Download complete"));
    CHECK(registry.lines[3].ends_with(": Pull complete"));
    ImageStore store(testing::places_below(registry.dir.path()));
    const Image image = store.find(registry.reference.canonical());
    const std::string layer = registry.dir.path() + "/data/layers/" + image.diff_ids[0].substr(7);
    CHECK(read_file(layer + "/fs/hello") == "hello");
    CHECK(store.ensure_unpacked(image, nullptr).at(0) == layer + "/fs");
  }
}

TEST_CASE("a layer that is not that of the config is refused, and nothing of it stays") {
  Hostile registry("wrong-diff-id");
  registry.unpacks = true;
  has(registry.pull_error(), "a layer's content has digest");
  CHECK(std::filesystem::is_empty(registry.dir.path() + "/data/layers"));
  CHECK(std::filesystem::is_empty(registry.dir.path() + "/data/tmp"));
  CHECK(ImageStore(testing::places_below(registry.dir.path())).list().empty());
}

TEST_CASE("a blob that is not what its descriptor says is refused and leaves no file") {
  struct Lie {
    const char* mode;
    const char* message;
  };
  for (const Lie& lie : {Lie{"wrong-digest", "has the digest"}, Lie{"short", "bytes, not the"},
                         Lie{"truncated", "closed before the end"}, Lie{"oversized", "is longer than"},
                         Lie{"endless", "is longer than"}, Lie{"no-blob", "not found in registry"},
                         Lie{"huge", "bytes, not the"},
                         Lie{"redirect-loop", "more than 5 redirects"}}) {
    for (const bool unpacks : {false, true}) {
      CAPTURE(lie.mode);
      Hostile registry(lie.mode);
      registry.unpacks = unpacks;
      has(registry.pull_error(), lie.message);
      CHECK(registry.files_in_store() <= 1);  // The config was true.
      CHECK(std::filesystem::is_empty(registry.dir.path() + "/data/layers"));
    }
  }
}

TEST_CASE("a manifest that could mean two things, is nested, endless or mistyped is refused") {
  struct Lie {
    const char* mode;
    const char* message;
  };
  for (const Lie& lie : {Lie{"both", "both 'layers' and 'manifests'"}, Lie{"bad-type", "is not its content type"},
                         Lie{"nested-index", "another index"}, Lie{"endless-manifest", "longer than 4194304 bytes"},
                         Lie{"headers", "headers are longer"},
                         Lie{"long-header", "registry '127.0.0.1:"}, Lie{"packed", "the manifest"},
                         Lie{"many-layers", "more than 512 layers"}, Lie{"deep", "nested deeper than"}}) {
    CAPTURE(lie.mode);
    Hostile registry(lie.mode);
    has(registry.pull_error(), lie.message);
  }
}

TEST_CASE("a manifest pulled by digest is hashed, whatever the registry's header claims") {
  Hostile honest("ok");
  const std::string digest = honest.pull();
  CHECK(honest.pull(digest) == digest);
  Hostile liar("wrong-manifest");
  has(liar.pull_error(digest), "manifest " + digest + " has the digest sha256:");
}

TEST_CASE("a missing manifest is NotFound and names the image") {
  Hostile registry("not-found");
  CHECK_THROWS_AS(registry.pull(), NotFound);
  CHECK(registry.pull_error() ==
        "manifest for " + registry.reference.registry + "/x:latest not found: manifest unknown");
}

TEST_CASE("a registry that doesn't listen is named with the reason") {
  Hostile registry("ok");
  registry.reference.registry = "localhost:1";
  CHECK(registry.pull_error() == "registry 'localhost:1': connection refused");
}

TEST_CASE("requests that fail for a while are repeated") {
  Hostile registry("flaky");
  CHECK(registry.pull_error() == "");
}

TEST_CASE("a transfer that stalls is given up as too slow") {
  Hostile registry("slow");
  registry.pull_error("sha256:" + std::string(64, '0'));
  HttpLimits limits;
  limits.low_speed_seconds = 2;
  Hostile honest("ok");
  honest.pull();
  std::string layer;
  for (std::string log = honest.log(), line; !log.empty(); log.erase(0, log.find('\n') + 1)) {
    line = log.substr(0, log.find(' '));
    if (line.contains("/blobs/")) layer = line;
  }
  const HttpResponse answer =
      HttpConnections(limits).perform({"GET", Url::parse("http://127.0.0.1:" + registry.port + layer), {}});
  CHECK(answer.failure == HttpFailure::too_slow);
}

TEST_CASE("a redirect to another host is followed without the credentials") {
  testing::TemporaryDirectory config;
  Hostile storage("ok");
  Hostile registry("redirect", {"--other", "http://127.0.0.1:" + storage.port});
  write_file_atomic(config.path() + "/config.json",
                    R"({"auths":{"127.0.0.1:)" + registry.port + R"(":{"auth":"dXNlcjpzZWNyZXQ="}}})");
  testing::Environment environment("DOCKER_CONFIG", config.path());
  CHECK(registry.pull_error() == "");
  has(storage.log(), "/blobs/");
  CHECK(storage.log().find("Basic") == std::string::npos);
  CHECK(storage.log().find("Bearer") == std::string::npos);
}

TEST_CASE("a redirect to plain http on another machine is refused") {
  Hostile registry("redirect", {"--other", "http://192.0.2.1"});
  has(registry.pull_error(), "'192.0.2.1' is not https");
}

TEST_CASE("a redirect to a file of this machine is refused") {
  Hostile registry("redirect", {"--other", "file:///etc/passwd?"});
  has(registry.pull_error(), "url that is not http");
}

TEST_CASE("a token server that leads nowhere is given up") {
  struct Lie {
    const char* mode;
    const char* message;
  };
  for (const Lie& lie :
       {Lie{"token-loop", "may require 'sandbox login'"}, Lie{"token-redirect", "more than 5 redirects"},
        Lie{"endless-token", "longer than 4194304 bytes"}}) {
    CAPTURE(lie.mode);
    Hostile registry(lie.mode);
    has(registry.pull_error(), lie.message);
    const std::string log = registry.log();
    CHECK(std::ranges::count(log, '\n') < 12);
  }
}

TEST_CASE("a token is fetched anonymously and used") {
  Hostile registry("token");
  CHECK(registry.pull_error() == "");
  has(registry.log(), "/token?service=mock&scope=repository%3ax%3apull -");
  has(registry.log(), "/v2/x/manifests/latest Bearer letmein");
}

TEST_CASE("a token server that is neither https nor on loopback gets nothing") {
  Hostile registry("token-elsewhere", {"--realm", "http://192.0.2.1/token"});
  has(registry.pull_error(), "the token server at '192.0.2.1' is not https");
}

TEST_CASE("a token with a line break is refused") {
  Hostile registry("inject");
  has(registry.pull_error(), "no usable token");
}

TEST_CASE("basic credentials come from docker's file, and their absence is told") {
  testing::TemporaryDirectory config;
  testing::Environment environment("DOCKER_CONFIG", config.path());
  Hostile registry("basic");
  has(registry.pull_error(), "repository does not exist or may require 'sandbox login'");
  write_file_atomic(config.path() + "/config.json",
                    R"({"auths":{"127.0.0.1:)" + registry.port + R"(":{"auth":"dXNlcjpzZWNyZXQ="}}})");
  CHECK(registry.pull_error() == "");
  has(registry.log(), "Basic dXNlcjpzZWNyZXQ=");
}
