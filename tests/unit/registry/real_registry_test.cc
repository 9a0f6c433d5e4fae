// Pull from the distribution registry on loopback, filled by skopeo. Both must be installed.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <unistd.h>

#include "registry_fixture.h"
#include "sandbox/base/digest.h"
#include "sandbox/base/error.h"
#include "sandbox/base/file.h"

using namespace sandbox;
using namespace sandbox::image;
using namespace sandbox::testing;

namespace {

std::uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

std::string write_config(const std::string& dir, std::uint16_t port) {
  write_file_atomic(dir + "/config.yml",
                    "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: " + dir +
                        "/registry\nhttp:\n  addr: 127.0.0.1:" + std::to_string(port) + "\n");
  return dir + "/config.yml";
}

void wait_for(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  for (int i = 0; i < 200; ++i) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int result = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::close(socket);
    if (result == 0) return;
    ::usleep(50000);
  }
  FAIL("docker-registry doesn't listen");
}

}  // namespace

TEST_CASE("images come from a real registry by tag, by digest, from an index, gzip and zstd") {
  REQUIRE_MESSAGE(run({"sh", "-c", "command -v docker-registry && command -v skopeo && command -v zstd >/dev/null"}),
                  "install the packages docker-registry, skopeo and zstd");
  const TemporaryDirectory dir;
  REQUIRE(run({"python3", TEST_SUPPORT_DIR "/make_oci_layout.py", dir.path() + "/oci"}));
  const std::uint16_t port = free_port();
  Server server({"docker-registry", "serve", write_config(dir.path(), port)});
  wait_for(port);
  const std::string registry = "localhost:" + std::to_string(port);
  for (const std::string tag : {"gzip", "zstd", "multi"}) {
    REQUIRE(run({"skopeo", "copy", "-q", "--insecure-policy", "--all", "--preserve-digests", "--dest-tls-verify=false",
                 "oci:" + dir.path() + "/oci:" + tag, "docker://" + registry + "/group/x:" + tag}));
  }
  ImageStore store(places_below(dir.path()));
  std::string shown;
  const auto fetch = [&](const std::string& tag, const std::string& digest, const std::string& platform) {
    LineProgress progress([&](const std::string& line) {
      if (line.starts_with("Digest: ")) shown = line.substr(8);
    });
    return pull(store, {registry, "group/x", tag, digest}, {platform, &progress});
  };

  const std::string gzip = fetch("gzip", "", "linux/amd64");
  CHECK(shown == gzip);
  CHECK(sha256_digest(read_file(store.blob_path(gzip))) == gzip);
  CHECK(store.find(registry + "/group/x:gzip").manifest.digest == gzip);
  CHECK(fetch("", gzip, "linux/amd64") == gzip);
  CHECK(store.has_blob(fetch("zstd", "", "linux/amd64")));

  const std::string amd64 = fetch("multi", "", "linux/amd64");
  const std::string index = shown;
  CHECK(index != amd64);
  const std::string arm64 = fetch("", index, "linux/arm64");
  CHECK(arm64 != amd64);
  CHECK(store.has_blob(arm64));
  CHECK_THROWS_AS(fetch("multi", "", "linux/s390x"), NotFound);
  CHECK_THROWS_AS(fetch("gzip", "", "linux/arm64"), NotFound);
  CHECK_THROWS_AS(fetch("absent", "", "linux/amd64"), NotFound);
}
