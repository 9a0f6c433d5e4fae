// Content digests ("sha256:<64 hex>", image-spec descriptor.md "Digests").
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace sandbox {

/// A running SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(const void* data, std::size_t size);
  std::string finish();  ///< "sha256:<hex>". The object is used up.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_digest(std::string_view data);

/// True for "sha256:" and 64 lower-case hexadecimal digits: safe as a file name after the colon.
bool is_valid_digest(std::string_view digest);

}  // namespace sandbox
