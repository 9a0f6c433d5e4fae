// Image references: what was accepted has a canonical form that means the same.
#include "sandbox/image/reference.h"

#include "target.h"

using namespace sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::attempt([&] {
    const image::Reference reference = image::parse_reference(fuzz::as_text(data, size));
    const image::Reference again = image::parse_reference(reference.canonical());
    fuzz::require(again.canonical() == reference.canonical(), "a canonical reference is a fixed point");
    fuzz::require(reference.repository.find("..") == std::string::npos, "no '..' in a repository");
    static_cast<void>(reference.familiar());
  });
  return 0;
}
