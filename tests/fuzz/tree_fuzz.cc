// Archives for `cp`: whatever the bytes, unpacking them touches nothing beside the destination.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "sandbox/base/sys.h"
#include "sandbox/engine/copy_paths.h"
#include "sandbox/engine/tree_writing.h"
#include "scratch.h"

using namespace sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  const engine::CopySource source = engine::read_copy_source(text, false);
  fuzz::require(source.name.find('/') == std::string::npos, "a name has no slash");
  const fuzz::Scratch scratch;
  for (const bool renamed : {false, true}) {
    fuzz::attempt([&] {
      const Fd archive(::memfd_create("archive", MFD_CLOEXEC));
      sys::write_all(archive.get(), data, size) | or_throw("writing the archive");
      ::lseek(archive.get(), 0, SEEK_SET);
      const Fd tree = scratch.into(O_PATH);
      engine::TreeWritingOptions options;
      options.directory = tree.get();
      if (renamed) options.choose = [&](bool) { return engine::WritingTarget{scratch.into(O_PATH), "name"}; };
      static_cast<void>(engine::write_tree(archive.get(), options));
    });
    fuzz::require(scratch.untouched(), "nothing beside the destination is touched");
  }
  return 0;
}
