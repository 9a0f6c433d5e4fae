// The store's round trips: load, find, tag, list, unpack, remove, import.
#include "sandbox/image/image_store.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "sandbox/base/digest.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "store_fixture.h"

namespace sandbox::image {
namespace {

TEST_CASE_FIXTURE(StoreFixture, "a docker-archive is loaded and found by name, id and prefix") {
  make_docker_archive();
  CHECK(load("docker.tar") == std::vector<std::string>{"example/busy:1", "busy:latest"});
  const Image image = store.find("busy");
  CHECK(image.name == "docker.io/library/busy:latest");
  CHECK(image.layers.size() == 2);
  CHECK(image.config_document.at("config").at("Cmd").at(0) == "/bin/sh");
  CHECK(store.find(image.id()).id() == image.id());
  CHECK(store.find(image.id().substr(7)).id() == image.id());
  CHECK(store.find(image.id().substr(7, 12)).id() == image.id());
  CHECK(store.find("example/busy@" + image.manifest.digest).id() == image.id());
  CHECK_THROWS_AS(store.find("absent"), NotFound);
  CHECK_THROWS_AS(store.find("UPPER"), UsageError);
  CHECK(store.list().size() == 2);
  CHECK(files_in("tmp") == 0);
  load("docker.tar");
  CHECK(store.list().size() == 2);
}

TEST_CASE_FIXTURE(StoreFixture, "skopeo reads the store in place") {
  make_docker_archive();
  load("docker.tar");
  const Json seen = parse_json(output("skopeo inspect oci:data/images:docker.io/library/busy:latest"), "skopeo");
  CHECK(seen.at("Layers").size() == 2);
}

TEST_CASE_FIXTURE(StoreFixture, "compressed archives and compressed layers in them are loaded") {
  make_docker_tree();
  shell("tar -C image -czf gz.tar . && gzip image/layer2.tar && mv image/layer2.tar.gz image/layer2.tar && "
        "tar -C image --zstd -cf zst.tar .");
  load("gz.tar");
  const std::string id = store.find("busy").id();
  load("zst.tar");
  CHECK(store.find("busy").id() == id);
  CHECK(store.list().size() == 2);
}

TEST_CASE_FIXTURE(StoreFixture, "an oci-archive made by skopeo is loaded, its gzip layers verified and unpacked") {
  make_docker_archive();
  shell("skopeo copy -q docker-archive:docker.tar:busy:latest oci-archive:oci.tar:busy:oci");
  CHECK(load("oci.tar") == std::vector<std::string>{"busy:oci"});
  const auto directories = store.ensure_unpacked(store.find("busy:oci"), nullptr);
  REQUIRE(directories.size() == 2);
  CHECK(read_file(directories[0] + "/etc/motd") == "hi\n");
  CHECK(path_exists(directories[1] + "/bin/busybox"));
}

TEST_CASE_FIXTURE(StoreFixture, "layers are unpacked once, under their chain ids, top-most first") {
  make_docker_archive();
  load("docker.tar");
  const Image image = store.find("busy");
  const auto directories = store.ensure_unpacked(image, nullptr);
  const std::string upper = sha256_digest(image.diff_ids[0] + " " + image.diff_ids[1]);
  CHECK(directories[0] == places.data + "/layers/" + upper.substr(7) + "/fs");
  CHECK(directories[1] == places.data + "/layers/" + image.diff_ids[0].substr(7) + "/fs");
  const Json meta = parse_json(read_file(places.data + "/layers/" + upper.substr(7) + "/meta.json"), "meta");
  CHECK(meta.at("version") == 2);
  CHECK(meta.at("diff_id") == image.diff_ids[1]);
  CHECK(store.ensure_unpacked(image, nullptr) == directories);
  CHECK(files_in("layers") == 2);
  CHECK(files_in("tmp") == 0);
}

TEST_CASE_FIXTURE(StoreFixture, "removing the last name leaves no blob and no layer") {
  make_docker_archive();
  load("docker.tar");
  const Image image = store.find("busy");
  store.tag(image, parse_reference("localhost:5000/other:x"));
  store.ensure_unpacked(image, nullptr);
  CHECK(store.list().size() == 3);
  CHECK_THROWS_AS(store.remove(image.id(), false), Conflict);
  CHECK(store.remove("busy", false) == std::vector<std::string>{"Untagged: busy:latest"});
  CHECK(store.remove("example/busy:1", false).size() == 1);
  CHECK(files_in("images/blobs/sha256") == 4);
  CHECK(store.remove("localhost:5000/other:x", false).back() == "Deleted: " + image.id());
  CHECK(files_in("images/blobs/sha256") == 0);
  CHECK(files_in("layers") == 0);
  CHECK(files_in("tmp") == 0);
  CHECK(store.list().empty());
}

TEST_CASE_FIXTURE(StoreFixture, "force removes all names of an id, and shared blobs stay") {
  make_docker_archive();
  load("docker.tar");
  const Image image = store.find("busy");
  shell("sed -i 's/bin.sh/bin\\/xx/' image/*[0-9a-f].json; sed -i 's/\"Cmd\":\\[[^]]*\\]/\"Cmd\":[\"x\"]/' image/????????????????*.json;"
        "c=$(sha256sum image/????????????????*.json | cut -d' ' -f1); mv image/????????????????*.json image/$c.json;"
        "printf '[{\"Config\":\"%s.json\",\"RepoTags\":[\"second\"],\"Layers\":[\"layer1.tar\",\"layer2.tar\"]}]' $c > image/manifest.json;"
        "tar -C image -cf second.tar .");
  load("second.tar");
  const Image second = store.find("second");
  CHECK(second.id() != image.id());
  store.ensure_unpacked(second, nullptr);
  CHECK(store.remove(image.id(), true).size() == 3);
  CHECK(files_in("images/blobs/sha256") == 4);
  CHECK(files_in("layers") == 2);
}

TEST_CASE_FIXTURE(StoreFixture, "a name moved to another image leaves the old one untagged") {
  make_docker_archive();
  load("docker.tar");
  const Image image = store.find("busy");
  shell("tar -C root -cf root.tar .");
  const Fd fd = sys::openat(AT_FDCWD, (work() + "/root.tar").c_str(), O_RDONLY) | or_throw("opening");
  const std::string id = store.import(fd.get(), parse_reference("busy"));
  CHECK(store.find("busy").id() == id);
  CHECK(store.find("example/busy:1").id() == image.id());
  store.tag(store.find("busy"), parse_reference("example/busy:1"));
  CHECK(store.find(image.id()).name.empty());
}

TEST_CASE_FIXTURE(StoreFixture, "import makes a one-layer image of plain, gzip and xz tars") {
  make_docker_tree();
  for (const std::string kind : {"", "--gzip", "--xz", "--zstd"}) {
    CAPTURE(kind);
    shell("tar " + kind + " -C root -cf root.tar .");
    const Fd fd = sys::openat(AT_FDCWD, (work() + "/root.tar").c_str(), O_RDONLY) | or_throw("opening");
    const std::string id = store.import(fd.get(), parse_reference("mine"));
    const Image image = store.find("mine");
    CHECK(image.id() == id);
    CHECK(read_file(store.ensure_unpacked(image, nullptr).at(0) + "/etc/motd") == "hi\n");
  }
  CHECK(files_in("tmp") == 0);
}

TEST_CASE_FIXTURE(StoreFixture, "an additional store's image and unpacked layers are used from there, read-only") {
  make_docker_archive();
  load("docker.tar");
  store.ensure_unpacked(store.find("busy"), nullptr);
  shell("mv data extra; chmod -R a-w extra");
  const Image image = store.find("busy");
  CHECK(image.layout == work() + "/extra/images");
  CHECK(store.ensure_unpacked(image, nullptr)[0].starts_with(work() + "/extra/layers/"));
  CHECK_THROWS_AS(store.remove("busy", false), Conflict);
  store.tag(image, parse_reference("copy"));
  CHECK(store.find("copy").layout == places.data + "/images");
  shell("chmod -R u+w extra");
}

}  // namespace
}  // namespace sandbox::image
