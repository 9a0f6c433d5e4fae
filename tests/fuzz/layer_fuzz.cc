// Layer archives: whatever the bytes, applying them touches nothing beside the layer's directory.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "fuse-overlay/store/apply.h"
#include "fuse-overlay/store/entry_path.h"
#include "sandbox/base/sys.h"
#include "scratch.h"

using namespace sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  fuzz::attempt([&] {
    const std::string path = overlay::normalize_entry_path(text);
    fuzz::require(!path.starts_with('/') && ("/" + path + "/").find("/../") == std::string::npos,
                  "a path stays inside");
    fuzz::require(path.empty() || overlay::normalize_entry_path(path) == path, "a normal path is a fixed point");
  });
  const fuzz::Scratch scratch;
  fuzz::attempt([&] {
    const Fd archive(::memfd_create("archive", MFD_CLOEXEC));
    sys::write_all(archive.get(), data, size) | or_throw("writing the archive");
    ::lseek(archive.get(), 0, SEEK_SET);
    const Fd layer = scratch.into(O_RDONLY);
    static_cast<void>(overlay::apply_layer(archive.get(), layer.get(), {.max_bytes = 1U << 20, .max_entries = 1000}));
  });
  fuzz::require(scratch.untouched(), "nothing beside the layer is touched");
  return 0;
}
