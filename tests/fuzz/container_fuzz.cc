// container.json, which another program may have damaged.
#include "sandbox/base/json.h"
#include "sandbox/container/spec.h"
#include "target.h"

using namespace sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size);
  fuzz::attempt([&] { static_cast<void>(container::parse_spec_head(text)); });
  fuzz::attempt([&] {
    const container::Spec spec = container::spec_from_json(container::parse_spec(text));
    const std::string written = container::spec_text(spec);
    const auto head = container::parse_spec_head(written);
    fuzz::require(head && head->id == spec.id && head->name == spec.name, "the head is the spec's");
    fuzz::require(container::to_json(container::spec_from_json(container::parse_spec(written))) ==
                      container::to_json(spec), "what is written is read back");
  });
  return 0;
}
