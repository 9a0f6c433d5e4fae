// What a container's writable directory becomes in a layer archive, read back by apply_layer and by GNU tar.
#include "fuse-overlay/store/diff.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <cstdio>

#include "fuse-overlay/store/attributes.h"
#include "tests/unit/overlay_store/layer_fixture.h"

using namespace sandbox;
using namespace sandbox::overlay;

namespace {

/// One lower layer "lower" and an upper directory "upper", as kernel overlayfs would leave it.
class Written : public testing::LayerFixture {
 public:
  Written() {
    for (const char* name : {"lower", "upper", "applied"}) make_directories(path(name));
  }

  void file(const std::string& name, const std::string& content = "x") const {
    const std::string whole = path(name);
    make_directories(whole.substr(0, whole.find_last_of('/')));
    write_file_atomic(whole, content, false);
    set_time(name, {1'000'000'000, 123'456'789});
  }
  void directory(const std::string& name) const { make_directories(path(name)); }
  void whiteout(const std::string& name) const {
    REQUIRE(::mknod(path(name).c_str(), S_IFCHR | 0600, makedev(0, 0)) == 0);
  }
  void opaque(const std::string& name) const {
    REQUIRE(::setxattr(path(name).c_str(), "user.overlay.opaque", "y", 1, 0) == 0);
  }
  void set_time(const std::string& name, timespec time) const {
    const timespec times[2] = {time, time};
    REQUIRE(::utimensat(AT_FDCWD, path(name).c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
  }
  /// As copy-up leaves it: the same metadata.
  void copied_up(const std::string& name) const {
    directory("upper/" + name);
    set_time("upper/" + name, status("lower/" + name).st_mtim);
  }

  WrittenArchive write(ArchiveOptions options = {}) {
    archive = Fd(::memfd_create("archive", MFD_CLOEXEC));
    options.lower = {path("lower")};
    auto result = write_diff(path("upper"), archive.get(), options);
    ::lseek(archive.get(), 0, SEEK_SET);
    return result;
  }
  /// The names of the archive's entries, as GNU tar lists them; links with their targets.
  std::string names(const ArchiveOptions& options = {}) {
    (void)write(options);
    return output(fmt::format("tar tf /proc/{}/fd/{}", ::getpid(), archive.get()));
  }
  std::string listing() {
    return output(fmt::format("tar --numeric-owner --full-time -tvf /proc/{}/fd/{}", ::getpid(), archive.get()));
  }
  static std::string output(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    std::string text;
    for (int c = 0; (c = ::fgetc(pipe.get())) != EOF;) text += static_cast<char>(c);
    return text;
  }
  AppliedLayer apply_to(const std::string& name) const {
    const Fd dir = sys::openat(AT_FDCWD, path(name).c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening the layer");
    return apply_layer(archive.get(), dir.get(), {});
  }

  Fd archive;
};

}  // namespace

TEST_CASE(
    "entries are sorted, behind their directories; whiteouts and opaque marks have their names of the specification") {
  Written w;
  for (const char* name : {"lower/etc/gone", "lower/etc/stays", "lower/old/a", "lower/untouched/x"}) w.file(name);
  w.file("upper/etc/new");
  w.whiteout("upper/etc/gone");
  w.whiteout("upper/etc/never-was");
  w.file("upper/old/b");
  w.opaque("upper/old");
  w.file("upper/z/deep/file");
  w.copied_up("untouched");
  CHECK(w.names() == "etc/\netc/.wh.gone\netc/new\nold/\nold/.wh..wh..opq\nold/b\nz/\nz/deep/\nz/deep/file\n");
}

TEST_CASE("the archive of an unchanged container is empty, and a directory with other attributes is a change") {
  Written w;
  w.file("lower/etc/hosts");
  w.copied_up("etc");
  CHECK(w.write().entries == 0);
  CHECK(::chmod(w.path("upper/etc").c_str(), 0711) == 0);
  CHECK(w.names() == "etc/\n");
  CHECK(::setxattr(w.path("upper").c_str(), "user.note", "n", 1, 0) == 0);
  CHECK(w.names() == "./\netc/\n");
}

TEST_CASE("what was made for mounts alone is left out") {
  Written w;
  w.file("lower/etc/passwd");
  w.file("upper/etc/hosts", "");
  w.directory("upper/srv/deep/mount");
  w.file("upper/data/kept");
  w.directory("upper/data/mount");
  CHECK(w.names({.mounts = {"etc/hosts", "srv/deep/mount", "data/mount"}}) == "data/\ndata/kept\n");
}

TEST_CASE("applying a diff gives back names, content, links, attributes and nanoseconds") {
  Written w;
  const std::string long_name(200, 'n'), odd = "\xff\x01 name";
  w.file("upper/d/" + long_name, "long");
  w.file("upper/d/" + odd, "odd");
  REQUIRE(::link(w.path("upper/d/" + odd).c_str(), w.path("upper/z-link").c_str()) == 0);
  REQUIRE(::symlink(std::string(300, 't').c_str(), w.path("upper/sym").c_str()) == 0);
  REQUIRE(::mkfifo(w.path("upper/fifo").c_str(), 0640) == 0);
  w.file("upper/attributes");
  REQUIRE(::setxattr(w.path("upper/attributes").c_str(), "user.a", "1\n2=\0x", 6, 0) == 0);
  REQUIRE(::setxattr(w.path("upper/attributes").c_str(), "user.overlay.origin", "o", 1, 0) == 0);
  w.file("upper/before-the-epoch");
  w.set_time("upper/before-the-epoch", {-2, 0});
  w.file("upper/half-a-second-more");
  w.set_time("upper/half-a-second-more", {-2, 500'000'000});
  w.set_time("upper/d", {1'500'000'000, 42});
  const auto written = w.write();
  CHECK(read_to_end(w.archive.get(), "archive", 1U << 20).find(" mtime=-1.5\n") != std::string::npos);
  ::lseek(w.archive.get(), 0, SEEK_SET);
  const auto applied = w.apply_to("applied");
  CHECK(applied.diff_id == written.written.diff_id);
  CHECK(applied.entries == written.entries);
  CHECK(w.read("applied/d/" + long_name) == "long");
  CHECK(w.read("applied/d/" + odd) == "odd");
  CHECK(w.status("applied/z-link").st_ino == w.status("applied/d/" + odd).st_ino);
  CHECK(S_ISFIFO(w.status("applied/fifo").st_mode));
  CHECK((sys::readlinkat(AT_FDCWD, w.path("applied/sym").c_str()) | or_throw("sym")) == std::string(300, 't'));
  CHECK(w.xattr("applied/attributes", "user.a") == std::string("1\n2=\0x", 6));
  CHECK(w.xattr("applied/attributes", "user.overlay.origin").empty());
  for (const char* name : {"d", "attributes", "before-the-epoch", "sym", "fifo"}) {
    CAPTURE(name);
    const auto from = w.status(std::string("upper/") + name), to = w.status(std::string("applied/") + name);
    CHECK(to.st_mtim.tv_sec == from.st_mtim.tv_sec);
    CHECK(to.st_mtim.tv_nsec == from.st_mtim.tv_nsec);
  }
}

TEST_CASE("holes stay holes, for us and for GNU tar") {
  Written w;
  w.file("upper/sparse", "begin");
  REQUIRE(::truncate(w.path("upper/sparse").c_str(), 64 << 20) == 0);
  {
    const Fd file = sys::openat(AT_FDCWD, w.path("upper/sparse").c_str(), O_WRONLY) | or_throw("sparse");
    sys::pwrite_all(file.get(), "end", 3, (64 << 20) - 3) | or_throw("writing");
  }
  w.file("upper/all-hole", "");
  REQUIRE(::truncate(w.path("upper/all-hole").c_str(), 1 << 20) == 0);
  const auto written = w.write();
  CHECK(written.written.size < (1U << 20));
  w.apply_to("applied");
  CHECK(w.status("applied/sparse").st_size == 64 << 20);
  CHECK(w.status("applied/sparse").st_blocks < 2048);
  CHECK(w.status("applied/all-hole").st_size == 1 << 20);
  w.directory("tar");
  CHECK(std::system(
            fmt::format("tar -C {0} -xf /proc/{1}/fd/{2} && cmp {0}/sparse {3}/sparse && cmp {0}/all-hole {3}/all-hole",
                        w.path("tar"), ::getpid(), w.archive.get(), w.path("upper"))
                .c_str()) == 0);
}

TEST_CASE("the same directory gives the same bytes, however they are packed") {
  Written w;
  w.file("upper/a/b", std::string(1 << 20, 'b'));
  const auto plain = w.write(), again = w.write();
  CHECK(plain.written.digest == again.written.digest);
  CHECK(plain.written.digest == plain.written.diff_id);
  for (const auto compression : {Compression::gzip, Compression::zstd}) {
    const auto packed = w.write({.compression = compression});
    CHECK(packed.written.diff_id == plain.written.diff_id);
    CHECK(packed.written.digest != plain.written.digest);
    CHECK(packed.written.size < (100U << 10));
    const Written fresh;
    CHECK(fresh.apply_fd(w.archive.get()).diff_id == plain.written.diff_id);
    CHECK(w.write({.compression = compression}).written.digest == packed.written.digest);
  }
}

TEST_CASE("owners and modes on record are the archive's: the container's own, or those of what was copied up") {
  Written w;
  w.file("lower/shadow", "old");
  w.file("lower/su", "s");
  write_file_atomic(w.path("owners.json"), R"({"shadow": [0, 42, 416], "su": [0, 0, 2541, {"capability": "0100"}]})",
                    false);
  w.file("upper/shadow", "new");
  w.file("upper/su", "s");
  w.file("upper/mine", "m");
  const RecordedObject record = [](const ObjectAt& object) -> std::optional<ObjectRecord> {
    if (object.path != "mine") return {};
    return ObjectRecord{4'000'000'000U, 7, 0600, {}, 0, 0, 0};
  };
  (void)w.write({.record = record});
  const auto applied = w.apply_to("applied");
  CHECK(applied.owners["shadow"] == Json::array({0, 42, 0640}));
  CHECK(applied.owners["su"] == Json::array({0, 0, 04755, Json{{"capability", "0100"}}}));
  CHECK(applied.owners["mine"] == Json::array({4'000'000'000U, 7, 0600}));
}

TEST_CASE("a device on record is a device in the archive") {
  Written w;
  w.file("upper/null", "");
  (void)w.write({.record = [](const ObjectAt& object) -> std::optional<ObjectRecord> {
    if (object.path != "null") return {};
    return ObjectRecord{0, 0, 0666, {}, 'c', 1, 3};
  }});
  CHECK(w.listing().find("1,3") != std::string::npos);
}

TEST_CASE("capabilities lose what only this machine's namespaces mean") {
  const std::string of_namespace(
      "\x01\x00\x00\x03\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xe8\x03\x00\x00", 24);
  CHECK(portable_capability(of_namespace) ==
        std::string("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20));
}

TEST_CASE("sockets, and names that readers would take for whiteouts, are left out and told") {
  Written w;
  w.file("upper/.wh.innocent");
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  w.path("upper/s").copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const auto written = w.write();
  CHECK(written.entries == 0);
  CHECK(written.left_out == std::vector<std::string>{".wh.innocent", "s"});
}

TEST_CASE("a file that becomes shorter while it is read is an error, not a corrupt archive") {
  Written w;
  w.file("file", "abc");
  const Fd out(::memfd_create("archive", MFD_CLOEXEC));
  const Fd in = sys::openat(AT_FDCWD, w.path("file").c_str(), O_RDONLY) | or_throw("file");
  LayerSink sink(out.get(), Compression::none);
  ArchiveWriter archive(sink);
  CHECK_THROWS_AS(archive.add_file({.path = "file", .link = {}, .xattrs = {}}, in.get(), 4), Conflict);
}

TEST_CASE("the merged tree has everything that shows, once, and devices that are on record only") {
  Written w;
  for (const char* name : {"lower/etc/a", "lower/etc/gone", "lower/old/hidden", "lower/usr/bin/x"}) w.file(name);
  write_file_atomic(w.path("owners.json"),
                    R"({"dev/null": [0, 0, 438, {"type": "c", "rdev": [1, 3]}], "etc/a": [5, 6, 420]})", false);
  w.directory("lower/dev");
  w.file("upper/etc/b");
  w.whiteout("upper/etc/gone");
  w.file("upper/old/new");
  w.opaque("upper/old");
  w.archive = Fd(::memfd_create("archive", MFD_CLOEXEC));
  (void)write_merged(w.path("upper"), w.archive.get(), {.lower = {w.path("lower")}});
  const std::string listing = w.listing();
  CAPTURE(listing);
  CHECK(Written::output(fmt::format("tar tf /proc/{}/fd/{} | sort", ::getpid(), w.archive.get())) ==
        "dev/\ndev/null\netc/\netc/a\netc/b\nold/\nold/new\nusr/\nusr/bin/\nusr/bin/x\n");
  CHECK(listing.find("5/6") != std::string::npos);
}
