// Attributes of owners, which a container or an archive has written.
#include <cstdlib>

#include "fuse-overlay/store/owner_record.h"
#include "tests/fuzz/target.h"

using namespace sandbox::overlay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_rootless_owner(text);
  const auto record = parse_owner_record(text);
  // What has been read means the same when it is written, but for a type that there is none of.
  const auto again = record ? parse_owner_record(format_owner_record(*record)) : record;
  if (record && (!again || again->uid != record->uid || again->gid != record->gid)) std::abort();
  return 0;
}
