// See id_range.h.
#include "sandbox/engine/id_range.h"

#include <stdlib.h>
#include <unistd.h>

#include <string_view>

#include "sandbox/base/error.h"

namespace sandbox::engine {
namespace {

bool in_path(std::string_view program) {
  const char* path = ::getenv("PATH");
  for (std::string_view rest = path != nullptr ? path : "/usr/bin:/bin"; !rest.empty();) {
    const auto colon = rest.find(':');
    if (::access(fmt::format("{}/{}", rest.substr(0, colon), program).c_str(), X_OK) == 0) return true;
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon + 1);
  }
  return false;
}

}  // namespace

FoundRange find_id_range(const Places& places) {
  FoundRange range;
  const userns::SubordinateIds ids = userns::read_subordinate_ids();
  if (!ids.complete()) {
    range.reason = "no range for this user in /etc/subuid and /etc/subgid";
    range.fix = fmt::format("as root: usermod --add-subuids {0}-{1} --add-subgids {0}-{1} {2}", ids.first_free,
                            ids.first_free + 65535, ids.user);
  } else if (!in_path("newuidmap") || !in_path("newgidmap")) {
    range.reason = "newuidmap and newgidmap are not installed";
    range.fix = "as root: apt-get install uidmap";
  } else {
    try {
      range.kept = userns::keep_namespace(places.runtime, ids);
    } catch (const Error& error) {
      range.reason = error.what();
      range.fix = error.hint();
      range.refused = true;
    }
  }
  return range;
}

}  // namespace sandbox::engine
