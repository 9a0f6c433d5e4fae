#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "mounted.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay::test {
namespace {

class Transcript {
 public:
  /// A call's result: "name: 0", or its errno's name.
  void call(const char* name, long result) { line(name, result < 0 ? std::to_string(-errno) : std::to_string(result)); }
  void line(const std::string& name, const std::string& value) { text_ += name + ": " + value + "\n"; }
  void file(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) < 0) return line("stat " + path, std::to_string(-errno));
    std::string value =
        fmt::format("{:o} size {} uid {}", status.st_mode, S_ISDIR(status.st_mode) ? 0 : status.st_size, status.st_uid);
    if (!S_ISDIR(status.st_mode)) value += fmt::format(" links {}", status.st_nlink);
    if (S_ISREG(status.st_mode)) value += " " + read_text(path).substr(0, 40);
    line("stat " + path, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void create_and_write(Transcript& t) {
  t.call("create", write_text("new", "hello", O_CREAT | O_EXCL));
  t.call("create again", write_text("new", "x", O_CREAT | O_EXCL));
  t.call("append", write_text("new", " world", O_APPEND));
  t.call("append to a lower file", write_text("dir/file", "+more", O_APPEND));
  t.call("truncate on open", write_text("dir/other", "short", O_TRUNC));
  t.call("truncate by path", ::truncate("dir/big", 100));
  t.call("truncate to longer", ::truncate("new", 5000));
  t.call("write below a file", write_text("new/x", "x", O_CREAT));
  t.call("write to a directory", write_text("dir", "x"));
  for (const char* path : {"new", "dir/file", "dir/other", "dir/big"}) t.file(path);
  t.call("long name", write_text(std::string(255, 'n'), "x", O_CREAT));
  t.call("too long name", write_text(std::string(256, 'n'), "x", O_CREAT));
  t.call("name of another tool's whiteouts", write_text(".wh.x", "x", O_CREAT));
}

void directories(Transcript& t) {
  t.call("mkdir", ::mkdir("made", 0751));
  t.call("mkdir again", ::mkdir("made", 0755));
  t.call("mkdir over a file", ::mkdir("dir/file", 0755));
  t.call("mkdir in a lower directory", ::mkdir("dir/sub/made", 0700));
  t.call("rmdir a full one", ::rmdir("dir"));
  t.call("rmdir a file", ::rmdir("dir/file"));
  t.call("unlink a directory", ::unlink("dir"));
  t.call("rmdir a lower one", ::rmdir("empty"));
  t.call("rmdir it again", ::rmdir("empty"));
  t.call("mkdir in its place", ::mkdir("empty", 0700));
  t.call("set-group-ID directory", ::chmod("made", 02755));
  t.call("mkdir below it", ::mkdir("made/inherits", 0755));
  for (const char* path : {"made", "empty", "dir/sub/made", "made/inherits"}) t.file(path);
  t.call("empty a lower directory", ::unlink("full/a") + ::unlink("full/b"));
  t.call("rmdir it", ::rmdir("full"));
  t.call("make it again", ::mkdir("full", 0755));
  t.call("its old content is gone", ::access("full/a", F_OK));
}

void links_and_specials(Transcript& t) {
  t.call("symlink", ::symlink("dir/file", "sym"));
  t.call("symlink again", ::symlink("x", "sym"));
  t.line("through it", read_text("sym"));
  t.line("a lower one", read_text("link"));
  t.call("link", ::link("new", "new2"));
  t.call("link a lower file", ::link("dir/sub/deep", "deep2"));
  t.call("link a directory", ::link("dir", "dir2"));
  t.call("write through one name", write_text("deep2", "changed", O_TRUNC));
  t.line("read through the other", read_text("dir/sub/deep"));
  for (const char* path : {"sym", "new2", "deep2", "dir/sub/deep"}) t.file(path);
  t.call("unlink one of two", ::unlink("new"));
  t.file("new2");
  t.call("fifo", ::mkfifo("fifo", 0640));
  t.call("socket", ::mknod("socket", S_IFSOCK | 0600, 0));
  t.file("fifo");
  t.file("socket");
  t.call("block device", ::mknod("block", S_IFBLK | 0600, 0x101));
}

void renames(Transcript& t) {
  t.call("rename a lower file", ::rename("move", "moved"));
  t.call("rename a missing one", ::rename("move", "moved"));
  t.call("over another lower one", ::rename("moved", "dir/target"));
  t.file("dir/target");
  t.call("file over directory", ::rename("dir/target", "made"));
  t.call("directory over file", ::rename("made", "dir/target"));
  t.call("new directory", ::mkdir("d1", 0755) + write_text("d1/f", "in d1", O_CREAT));
  t.call("rename it", ::rename("d1", "d2"));
  t.line("its content", read_text("d2/f"));
  t.call("over a full one", ::rename("d2", "dir"));
  t.call("over an empty one", ::mkdir("d3", 0755) + ::rename("d2", "d3"));
  t.call("into the place of a removed lower one", ::unlink("gone/x") + ::rmdir("gone") + ::rename("d3", "gone"));
  t.line("the old content is gone", read_text("gone/x"));
  t.line("the new is there", read_text("gone/f"));
  t.call("noreplace over one", ::renameat2(AT_FDCWD, "new2", AT_FDCWD, "sym", RENAME_NOREPLACE));
  t.call("noreplace to a free name", ::renameat2(AT_FDCWD, "new2", AT_FDCWD, "free", RENAME_NOREPLACE));
  t.call("exchange files", ::renameat2(AT_FDCWD, "swap1", AT_FDCWD, "swap2", RENAME_EXCHANGE));
  t.file("swap1");
  t.file("swap2");
  t.call("exchange with nothing", ::renameat2(AT_FDCWD, "swap1", AT_FDCWD, "nothing", RENAME_EXCHANGE));
}

void attributes(Transcript& t) {
  t.call("chmod a lower file", ::chmod("attr", 0640));
  t.call("set-user-ID", ::chmod("attr", 04755));
  const timespec times[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
  t.call("times", ::utimensat(AT_FDCWD, "attr", times, 0));
  struct stat status{};
  ::stat("attr", &status);
  t.line("they are kept", fmt::format("{}.{}", status.st_mtim.tv_sec, status.st_mtim.tv_nsec));
  t.call("times of a symbolic link", ::utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW));
  t.call("chown to oneself", ::chown("attr", 0, 0));
  t.call("chown to an id that isn't mapped", ::chown("attr", 12345, 12345));
  t.call("mode 0", ::chmod("attr", 0));
  t.line("is no hindrance for root", read_text("attr"));
  t.call("setxattr", ::setxattr("attr", "user.test", "value", 5, 0));
  t.call("create it again", ::setxattr("attr", "user.test", "value", 5, XATTR_CREATE));
  char value[16] = {};
  t.call("getxattr", ::getxattr("attr", "user.test", value, sizeof value));
  t.call("into a small buffer", ::getxattr("attr", "user.test", value, 2));
  t.call("size alone", ::getxattr("attr", "user.test", nullptr, 0));
  t.call("a missing one", ::getxattr("attr", "user.none", value, sizeof value));
  char list[64] = {};  // kernel overlayfs counts its own attributes when asked for the size alone
  t.call("list", ::listxattr("attr", list, sizeof list));
  t.call("remove", ::removexattr("attr", "user.test"));
  t.call("remove again", ::removexattr("attr", "user.test"));
  t.call("on a directory", ::setxattr("dir", "user.test", "value", 5, 0));
}

void open_files(Transcript& t) {
  const int reader = ::open("open", O_RDONLY | O_CLOEXEC);
  t.call("overwrite what is open", write_text("open", "NEW!", 0));
  char buffer[32] = {};
  t.call("read by the other descriptor", ::pread(reader, buffer, sizeof buffer, 0));
  ::close(reader);
  const int fd = ::open("open", O_RDWR | O_CLOEXEC);
  t.call("unlink what is open", ::unlink("open"));
  t.call("write to it", ::pwrite(fd, "after", 5, 10));
  t.call("read from it", ::pread(fd, buffer, sizeof buffer, 0));
  struct stat status{};
  t.call("fstat it", ::fstat(fd, &status));
  t.line("no name", fmt::format("{} size {}", status.st_nlink, status.st_size));
  t.call("fchmod it", ::fchmod(fd, 0600));
  t.call("fsync", ::fsync(fd));
  ::close(fd);
  const int sparse = ::open("sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  t.call("write far away", ::pwrite(sparse, "end", 3, 1 << 20));
  t.call("fallocate", ::fallocate(sparse, 0, 0, 4096));
  void* map = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, sparse, 0);
  t.line("mmap", map == MAP_FAILED ? "failed" : "done");
  if (map != MAP_FAILED) static_cast<char*>(map)[7] = 'm', ::msync(map, 4096, MS_SYNC), ::munmap(map, 4096);
  t.call("read what was mapped", ::pread(sparse, buffer, 1, 7));
  t.line("byte", std::string(1, buffer[0]));
  const int target = ::open("copied", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  loff_t from = 1 << 20;
  t.call("copy_file_range", ::copy_file_range(sparse, &from, target, nullptr, 3, 0));
  ::close(target);
  ::close(sparse);
  t.file("copied");
}

void only_merged(Transcript& t) {
  t.call("rename a lower directory", ::rename("dir/sub", "elsewhere"));
  t.call("whiteout by hand", ::mknod("hand", S_IFCHR, 0));
  t.call("an attribute with the name of a mark", ::setxattr("dir", "user.overlay.opaque", "y", 1, 0));
  t.call("is no mark", ::access("dir/file", F_OK));
  t.call("seeing a mark", ::getxattr("dir", "user.overlay.origin", nullptr, 0));
}

}  // namespace

void make_operation_tree(const Layers& layers) {
  for (const char* name :
       {"dir/file", "dir/other", "dir/target", "dir/sub/deep", "full/a", "full/b", "move", "gone/x", "attr", "open"}) {
    layers.add(0, name, fmt::format("content of {}", name));
  }
  layers.add(0, "swap1", "one");
  layers.add(0, "swap2", "two");
  layers.add(0, "dir/big", std::string(300000, 'b'));
  std::filesystem::create_directory(layers.lower(0) + "/empty");
  std::filesystem::create_symlink("dir/file", layers.lower(0) + "/link");
}

std::string run_operations(bool merged) {
  Transcript t;
  create_and_write(t);
  directories(t);
  links_and_specials(t);
  renames(t);
  attributes(t);
  open_files(t);
  if (merged) only_merged(t);
  return t.text();
}

}  // namespace sandbox::overlay::test
