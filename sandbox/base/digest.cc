// libcrypto's block functions, not EVP: EVP's provider set-up costs a millisecond at each start.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "sandbox/base/digest.h"

#include <openssl/sha.h>

#include <algorithm>
#include <span>

#include "sandbox/base/error.h"
#include "sandbox/base/identifier.h"

namespace sandbox {
namespace {

constexpr std::size_t hex_digits(DigestAlgorithm algorithm) {
  return std::size_t{2} * (algorithm == DigestAlgorithm::sha256 ? SHA256_DIGEST_LENGTH : SHA512_DIGEST_LENGTH);
}

std::string text_of(DigestAlgorithm algorithm, std::span<const unsigned char> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(name_of(algorithm));
  text.reserve(text.size() + 1 + 2 * bytes.size());
  text += ':';
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

}  // namespace

struct RunningDigest::State {
  DigestAlgorithm algorithm;
  union {
    SHA256_CTX sha256;
    SHA512_CTX sha512;
  };
};

RunningDigest::RunningDigest(DigestAlgorithm algorithm) : state_(std::make_unique<State>()) {
  state_->algorithm = algorithm;
  if (algorithm == DigestAlgorithm::sha256)
    ::SHA256_Init(&state_->sha256);
  else
    ::SHA512_Init(&state_->sha512);
}
RunningDigest::~RunningDigest() = default;
RunningDigest::RunningDigest(RunningDigest&&) noexcept = default;
RunningDigest& RunningDigest::operator=(RunningDigest&&) noexcept = default;

void RunningDigest::update(const void* data, std::size_t size) {
  if (state_->algorithm == DigestAlgorithm::sha256)
    ::SHA256_Update(&state_->sha256, data, size);
  else
    ::SHA512_Update(&state_->sha512, data, size);
}

std::string RunningDigest::finish() {
  std::array<unsigned char, SHA512_DIGEST_LENGTH> bytes;
  if (state_->algorithm == DigestAlgorithm::sha256)
    ::SHA256_Final(bytes.data(), &state_->sha256);
  else
    ::SHA512_Final(bytes.data(), &state_->sha512);
  return text_of(state_->algorithm, std::span(bytes).first(hex_digits(state_->algorithm) / 2));
}

std::string digest_of(std::string_view data, DigestAlgorithm algorithm) {
  RunningDigest digest(algorithm);
  digest.update(data.data(), data.size());
  return digest.finish();
}

std::string sha256_digest(std::string_view data) { return digest_of(data, DigestAlgorithm::sha256); }

std::string_view name_of(DigestAlgorithm algorithm) {
  return algorithm == DigestAlgorithm::sha256 ? "sha256" : "sha512";
}

bool is_valid_digest(std::string_view digest) {
  const std::string_view hex = hex_of(digest);
  if (hex.size() == digest.size()) return false;
  return is_hex(hex, hex_digits(algorithm_of(digest)));
}

std::string digest_fault(std::string_view text) {
  if (is_valid_digest(text)) return {};
  if (hex_of(text).size() != text.size()) {
    const DigestAlgorithm algorithm = algorithm_of(text);
    return fmt::format("doesn't have the {} lower-case hexadecimal digits of {}", hex_digits(algorithm),
                       name_of(algorithm));
  }
  return text.contains(':') ? "has an unknown algorithm: sha256 and sha512 are known" : "is no digest";
}

DigestAlgorithm algorithm_of(std::string_view digest) {
  return digest.starts_with(name_of(DigestAlgorithm::sha512)) ? DigestAlgorithm::sha512 : DigestAlgorithm::sha256;
}

std::string_view hex_of(std::string_view text) {
  const auto colon = text.find(':');
  const auto is_named = [&](DigestAlgorithm algorithm) { return text.substr(0, colon) == name_of(algorithm); };
  const bool named = colon != text.npos && std::ranges::any_of(kDigestAlgorithms, is_named);
  return named ? text.substr(colon + 1) : text;
}

std::string digest_with_hex(std::string_view hex) {
  for (const DigestAlgorithm algorithm : kDigestAlgorithms) {
    if (is_hex(hex, hex_digits(algorithm))) return fmt::format("{}:{}", name_of(algorithm), hex);
  }
  return {};
}

}  // namespace sandbox
