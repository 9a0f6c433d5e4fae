// Archives that lie: refused, and nothing of them stays.
#include <doctest/doctest.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "store_fixture.h"

namespace sandbox::image {
namespace {

class HostileFixture : public StoreFixture {
 public:
  void refused(const std::string& archive) {
    CHECK_THROWS_AS(load(archive), InvalidInput);
    CHECK(files_in("tmp") == 0);
    CHECK(files_in("images/blobs/sha256") == 0);
    CHECK(store.list().empty());
  }
};

TEST_CASE_FIXTURE(HostileFixture, "a layer path that leaves the archive is refused") {
  make_docker_tree();
  shell("sed -i 's#layer2.tar#../../etc/passwd#' image/manifest.json; tar -C image -cf bad.tar .");
  refused("bad.tar");
}

TEST_CASE_FIXTURE(HostileFixture, "a member name with '..' or from the root is refused") {
  make_docker_tree();
  shell("tar -C image -P --transform 's#layer2.tar#../layer2.tar#' -cf bad.tar .; "
        "tar -C image -P --transform 's#./layer2.tar#/tmp/layer2.tar#' -cf worse.tar .");
  refused("bad.tar");
  refused("worse.tar");
}

TEST_CASE_FIXTURE(HostileFixture, "a hard link, or a symbolic one out of the archive, is no member") {
  make_docker_tree();
  shell("rm image/layer2.tar; ln -s /etc/passwd image/layer2.tar; tar -C image -cf bad.tar .; "
        "rm image/layer2.tar; ln image/layer1.tar image/layer2.tar; tar -C image -cf hard.tar .; "
        "rm image/layer2.tar; ln -s ../../layer1.tar image/layer2.tar; tar -C image -cf up.tar .; "
        "ln -sf layer2.tar image/layer2.tar; tar -C image -cf loop.tar .");
  for (const char* archive : {"bad.tar", "hard.tar", "up.tar", "loop.tar"}) refused(archive);
}

TEST_CASE_FIXTURE(HostileFixture, "a layer with another diff id is refused") {
  make_docker_tree();
  shell("cp image/layer1.tar image/layer2.tar; tar -C image -cf bad.tar .");
  refused("bad.tar");
}

TEST_CASE_FIXTURE(HostileFixture, "a config whose name promises another digest is refused") {
  make_docker_tree();
  shell("for f in image/????????????????*.json; do echo >> $f; done; tar -C image -cf bad.tar .");
  refused("bad.tar");
}

TEST_CASE_FIXTURE(HostileFixture, "a member that occurs twice is refused") {
  make_docker_tree();
  shell("tar -C image -cf bad.tar .; tar -C image -rf bad.tar ./layer1.tar");
  refused("bad.tar");
}

TEST_CASE_FIXTURE(HostileFixture, "an oci-archive with a changed blob is refused") {
  make_docker_archive();
  shell("skopeo copy -q docker-archive:docker.tar:busy:latest oci:layout:x; "
        "for f in layout/blobs/sha256/*; do echo >> $f; break; done; tar -C layout -cf bad.tar .");
  refused("bad.tar");
}

TEST_CASE_FIXTURE(HostileFixture, "an index with a digest that is a path is refused") {
  make_docker_archive();
  shell("skopeo copy -q docker-archive:docker.tar:busy:latest oci:layout:x; "
        "sed -i 's#sha256:[0-9a-f]*#sha256:../../../../etc/passwd#' layout/index.json; tar -C layout -cf bad.tar .");
  refused("bad.tar");
}

TEST_CASE_FIXTURE(HostileFixture, "wrong types, deep documents, cut archives and noise are refused") {
  make_docker_archive();
  shell("echo '{\"a\":1}' > image/manifest.json; tar -C image -cf a.tar .; "
        "echo '[{\"Config\":7,\"Layers\":{}}]' > image/manifest.json; tar -C image -cf b.tar .; "
        "head -c 9000 /dev/zero | tr '\\0' '[' > image/manifest.json; tar -C image -cf c.tar .; "
        "head -c 100000 docker.tar > d.tar; head -c 5000 /dev/urandom > e.tar; : > f.tar; "
        "head -c 5000000 /dev/zero | tr '\\0' ' ' > image/manifest.json; tar -C image -cf g.tar .");
  for (const char* archive : {"a.tar", "b.tar", "c.tar", "d.tar", "e.tar", "f.tar", "g.tar"}) {
    CAPTURE(archive);
    refused(archive);
  }
}

TEST_CASE_FIXTURE(HostileFixture, "import refuses what is no tar") {
  shell("mkdir -p data; head -c 5000 /dev/urandom > noise");
  const Fd fd = sys::openat(AT_FDCWD, (work() + "/noise").c_str(), O_RDONLY) | or_throw("opening");
  CHECK_THROWS_AS(store.import(fd.get(), parse_reference("noise")), InvalidInput);
  CHECK(files_in("tmp") == 0);
}

}  // namespace
}  // namespace sandbox::image
