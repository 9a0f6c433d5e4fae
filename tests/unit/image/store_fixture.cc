// See store_fixture.h.
#include "store_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"

namespace sandbox::image {

StoreFixture::StoreFixture()
    : places{work() + "/data", work() + "/run", {work() + "/extra"}}, store(places) {}

std::string StoreFixture::output(const std::string& script) const {
  FILE* stream = ::popen(fmt::format("set -e; cd '{}'; {}", work(), script).c_str(), "r");
  std::string text;
  char buffer[4096];
  while (const std::size_t count = ::fread(buffer, 1, sizeof buffer, stream)) text.append(buffer, count);
  if (::pclose(stream) != 0) throw Error("failed: " + script);
  return text;
}

void StoreFixture::shell(const std::string& script) const { (void)output(script); }

std::vector<std::string> StoreFixture::load(const std::string& archive) {
  const Fd fd = sys::openat(AT_FDCWD, (work() + "/" + archive).c_str(), O_RDONLY) | or_throw("opening '{}'", archive);
  return store.load(fd.get());
}

std::size_t StoreFixture::files_in(const std::string& directory) const {
  DIR* stream = ::opendir((places.data + "/" + directory).c_str());
  if (!stream) return 0;
  std::size_t count = 0;
  while (const dirent* entry = ::readdir(stream)) count += entry->d_name[0] != '.';
  ::closedir(stream);
  return count;
}

void StoreFixture::make_docker_tree() const {
  shell(
      R"(mkdir -p root/bin root/etc image; cp /bin/busybox root/bin/; ln -sf busybox root/bin/sh; echo hi > root/etc/motd
    tar --owner=0 --group=0 --numeric-owner -C root -cf image/layer1.tar bin
    tar --owner=0 --group=0 --numeric-owner -C root -cf image/layer2.tar etc
    d1=$(sha256sum image/layer1.tar | cut -d' ' -f1); d2=$(sha256sum image/layer2.tar | cut -d' ' -f1)
    printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s","sha256:%s"]}}' $d1 $d2 > image/config.json
    c=$(sha256sum image/config.json | cut -d' ' -f1); mv image/config.json image/$c.json
    printf '[{"Config":"%s.json","RepoTags":["example/busy:1","busy:latest"],"Layers":["layer1.tar","layer2.tar"]}]' $c > image/manifest.json)");
}

void StoreFixture::make_docker_archive() const {
  make_docker_tree();
  shell("tar -C image -cf docker.tar .");
}

}  // namespace sandbox::image
