// Archives for `cp`: whatever the bytes, unpacking them touches nothing beside the destination.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "sandbox/base/file.h"
#include "sandbox/base/sys.h"
#include "sandbox/engine/copy_paths.h"
#include "sandbox/engine/tree_writing.h"
#include "target.h"

using namespace sandbox;

namespace {

/// A folder with a destination and a witness beside it, for one input.
class Scratch {
 public:
  Scratch() {
    std::string pattern = "/var/tmp/tree-fuzz-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
    make_directories(path_ + "/tree");
    write_file_atomic(path_ + "/witness", "alive", false);
  }
  ~Scratch() { remove_tree(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Fd tree() const { return sys::openat(AT_FDCWD, (path_ + "/tree").c_str(), O_PATH) | or_throw("opening the tree"); }
  bool untouched() const { return read_file(path_ + "/witness") == "alive"; }

 private:
  std::string path_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const engine::CopySource source = engine::read_copy_source(text, false);
  fuzz::require(source.name.find('/') == std::string::npos, "a name has no slash");
  const Scratch scratch;
  for (const bool renamed : {false, true}) {
    fuzz::attempt([&] {
      const Fd archive(::memfd_create("archive", MFD_CLOEXEC));
      sys::write_all(archive.get(), data, size) | or_throw("writing the archive");
      ::lseek(archive.get(), 0, SEEK_SET);
      const Fd tree = scratch.tree();
      engine::TreeWritingOptions options;
      options.directory = tree.get();
      if (renamed) options.choose = [&](bool) { return engine::WritingTarget{scratch.tree(), "name"}; };
      static_cast<void>(engine::write_tree(archive.get(), options));
    });
    fuzz::require(scratch.untouched(), "nothing beside the destination is touched");
  }
  return 0;
}
