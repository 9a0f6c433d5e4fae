// Configurations as engines write them, and the plans that come out: golden/<name>.json gives golden/<name>.plan. To
// accept a change: SANDBOX_ACCEPT=1 test_runtime, and look at the difference.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "profiles/capabilities.h"
#include "sandbox/base/file.h"
#include "sandbox/base/json_fields.h"
#include "sandbox/runtime/plan.h"
#include "userns/plan_fields.h"

using namespace sandbox;
using namespace sandbox::runtime;

namespace {

/// "root-" in a name: planned for root of a user namespace with 65537 ids, as below rootless engines.
Caller caller_for(const std::string& name) {
  if (!name.starts_with("root-")) return {.uid = 1000, .gid = 1000, .gid_map = {{0, 0, UINT32_MAX}}};
  return {.capabilities = profiles::all_capabilities(), .gid_map = {{0, 1000, 1}, {1, 100000, 65536}}};
}

}  // namespace

TEST_CASE("the plans of engines' configurations are as accepted") {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_DIRECTORY)) {
    if (entry.path().extension() != ".json") continue;
    ++seen;
    const std::string name = entry.path().stem();
    CAPTURE(name);
    const auto spec = oci::parse_runtime_spec(parse_json(read_file(entry.path()), name), name);
    const Plan plan = plan_container(spec, "/bundle", caller_for(name), {});
    const std::string text = JsonWriter::encode(plan.launch).dump(1) + "\n";
    const std::string accepted = entry.path().parent_path() / (name + ".plan");
    if (std::getenv("SANDBOX_ACCEPT") != nullptr) write_file_atomic(accepted, text, false, 0644);
    CHECK(read_file(accepted) == text);
  }
  CHECK(seen > 1);
}
