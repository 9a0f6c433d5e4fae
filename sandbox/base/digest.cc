// libcrypto's block functions, not EVP: EVP's provider set-up costs a millisecond at each start.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "sandbox/base/digest.h"

#include <openssl/sha.h>

#include <algorithm>

#include "sandbox/base/error.h"

namespace sandbox {

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { ::SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(const void* data, std::size_t size) { ::SHA256_Update(&state_->context, data, size); }

std::string Sha256::finish() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  unsigned char bytes[SHA256_DIGEST_LENGTH];
  ::SHA256_Final(bytes, &state_->context);
  std::string text = "sha256:";
  text.reserve(text.size() + 2 * sizeof bytes);
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::string sha256_digest(std::string_view data) {
  Sha256 hash;
  hash.update(data.data(), data.size());
  return hash.finish();
}

bool is_valid_digest(std::string_view digest) {
  constexpr std::string_view prefix = "sha256:";
  if (!digest.starts_with(prefix) || digest.size() != prefix.size() + 64) return false;
  digest.remove_prefix(prefix.size());
  return std::all_of(digest.begin(), digest.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace sandbox
