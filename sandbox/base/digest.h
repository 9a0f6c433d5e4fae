// Content digests (image-spec descriptor.md "Digests"): "sha256:<64 hex>", which is what everything of our own has, and
// "sha512:<128 hex>", by which others may name what they made.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace sandbox {

enum class DigestAlgorithm { sha256, sha512 };

inline constexpr std::array kDigestAlgorithms{DigestAlgorithm::sha256, DigestAlgorithm::sha512};

/// A digest of what comes piece by piece.
class RunningDigest {
 public:
  explicit RunningDigest(DigestAlgorithm algorithm);
  ~RunningDigest();
  RunningDigest(RunningDigest&&) noexcept;
  RunningDigest& operator=(RunningDigest&&) noexcept;
  void update(const void* data, std::size_t size);
  std::string finish();  ///< "sha256:<hex>". The object is used up.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A running SHA-256.
class Sha256 : public RunningDigest {
 public:
  Sha256() : RunningDigest(DigestAlgorithm::sha256) {}
};

std::string digest_of(std::string_view data, DigestAlgorithm algorithm);
std::string sha256_digest(std::string_view data);

/// "sha256", "sha512".
std::string_view name_of(DigestAlgorithm algorithm);

/// True for a known algorithm, a colon, and so many lower-case hexadecimal digits as it has: safe as a file name after
/// the colon.
bool is_valid_digest(std::string_view digest);

/// What is to be said of a text that is no valid digest: "has an unknown algorithm: …". Empty for one that is.
std::string digest_fault(std::string_view text);

/// Precondition: is_valid_digest(digest).
DigestAlgorithm algorithm_of(std::string_view digest);

/// What follows the algorithm's name, if the text begins with one that is known; else the text.
std::string_view hex_of(std::string_view text);

/// The digest that has these hexadecimal digits, whose number tells the algorithm; empty when none has.
std::string digest_with_hex(std::string_view hex);

}  // namespace sandbox
