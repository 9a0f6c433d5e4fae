// A scratch directory with a layer directory and a canary beside it, and an archive applied to it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "fuse-overlay/store/apply.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temporary_directory.h"

namespace sandbox::testing {

class LayerFixture {
 public:
  LayerFixture() {
    std::filesystem::create_directories(layer());
    std::filesystem::create_directories(scratch + "/canary");
    write_file_atomic(scratch + "/canary/file", "alive", false);
  }

  std::string layer() const { return scratch + "/layer"; }
  std::string path(const std::string& name) const { return layer() + "/" + name; }
  std::string canary() const { return scratch + "/canary"; }

  overlay::AppliedLayer apply(const std::string& archive, const overlay::ApplyOptions& options = {}) const {
    const Fd file(::memfd_create("archive", MFD_CLOEXEC));
    sys::write_all(file.get(), archive.data(), archive.size()) | or_throw("writing the archive");
    ::lseek(file.get(), 0, SEEK_SET);
    return apply_fd(file.get(), options);
  }
  overlay::AppliedLayer apply_fd(int archive, const overlay::ApplyOptions& options = {}) const {
    const Fd dir = sys::openat(AT_FDCWD, layer().c_str(), O_RDONLY | O_DIRECTORY) | or_throw("opening the layer");
    return overlay::apply_layer(archive, dir.get(), options);
  }

  std::string read(const std::string& name) const { return read_file(path(name)); }
  struct stat status(const std::string& name) const {
    return sys::fstatat(AT_FDCWD, path(name).c_str(), AT_SYMLINK_NOFOLLOW) | or_throw("'{}'", name);
  }
  bool exists(const std::string& name) const { return path_exists(path(name)); }
  bool is_whiteout(const std::string& name) const {
    const struct stat found = status(name);
    return S_ISCHR(found.st_mode) && found.st_rdev == 0;
  }
  std::string xattr(const std::string& name, const char* attribute) const {
    char value[256];
    const ssize_t size = ::lgetxattr(path(name).c_str(), attribute, value, sizeof value);
    return size < 0 ? std::string() : std::string(value, static_cast<std::size_t>(size));
  }
  bool canary_untouched() const {
    std::size_t outside = 0;
    for ([[maybe_unused]] const auto& item : std::filesystem::directory_iterator(scratch)) ++outside;
    std::size_t inside = 0;
    for ([[maybe_unused]] const auto& item : std::filesystem::directory_iterator(canary())) ++inside;
    return outside == 2 && inside == 1 && read_file(canary() + "/file") == "alive";
  }

  TemporaryDirectory directory{"/var/tmp"};
  const std::string& scratch = directory.path();
};

}  // namespace sandbox::testing
