// Descriptions of devices (CDI) by vendors, in JSON and in YAML, and names of devices.
#include "sandbox/engine/cdi.h"
#include "target.h"

using namespace sandbox;

namespace {

void read(std::string_view text, const char* name) {
  const engine::CdiSpec spec = engine::parse_cdi(text, name);
  for (const engine::CdiDevice& device : spec.devices) {
    fuzz::require(engine::is_cdi_name(spec.kind + "=" + device.name), "a device can be named");
    for (const engine::CdiNode& node : device.edits.nodes)
      fuzz::require(node.path.starts_with('/'), "a path is absolute");
    for (const engine::CdiMount& mount : device.edits.mounts)
      fuzz::require(mount.target.find("/../") == mount.target.npos, "a target leads nowhere else");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  for (const char* name : {"input.json", "input.yaml"}) fuzz::attempt([&] { read(text, name); });
  fuzz::attempt([&] {
    for (const std::string& name : engine::gpu_names(text))
      fuzz::require(engine::is_cdi_name(name), "a GPU is a device");
  });
  return 0;
}
