// Digests by either algorithm (image-spec descriptor.md "Digests").
#include "sandbox/base/digest.h"

#include <doctest/doctest.h>

namespace sandbox {
namespace {

// FIPS 180-2, appendices B.1 and C.1: of "abc".
constexpr const char* kSha256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kSha512 =
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

TEST_CASE("content has a digest by each algorithm, in one piece or several") {
  for (const std::string expected : {kSha256, kSha512}) {
    const DigestAlgorithm algorithm = algorithm_of(expected);
    CHECK(digest_of("abc", algorithm) == expected);
    RunningDigest digest(algorithm);
    digest.update("a", 1);
    digest = RunningDigest(algorithm);  // as when a transfer begins anew
    digest.update("ab", 2);
    digest.update("c", 1);
    CHECK(digest.finish() == expected);
    CHECK(is_valid_digest(expected));
    CHECK(digest_fault(expected).empty());
    CHECK(digest_with_hex(hex_of(expected)) == expected);
    CHECK(expected.starts_with(name_of(algorithm)));
  }
}

TEST_CASE("what is no digest says why") {
  const std::string digits(64, 'a');
  CHECK(digest_fault("sha256:" + digits + "a") == "doesn't have the 64 lower-case hexadecimal digits of sha256");
  CHECK(digest_fault("sha512:" + digits) == "doesn't have the 128 lower-case hexadecimal digits of sha512");
  CHECK(digest_fault("sha256:" + std::string(64, 'A')).contains("lower-case"));
  CHECK(digest_fault("sha384:" + digits) == "has an unknown algorithm: sha256 and sha512 are known");
  for (const std::string& text : {std::string(), digits, std::string("sha256"), std::string("sha256/") + digits})
    CHECK(digest_fault(text) == "is no digest");
  for (const std::string text : {"sha256:", "sha512:", "sha256:../../x", ":", "sha2567:"})
    CHECK(!is_valid_digest(text));
}

TEST_CASE("only a known algorithm's name is taken off") {
  CHECK(hex_of("sha256:abc") == "abc");
  CHECK(hex_of("sha512:abc") == "abc");
  CHECK(hex_of("abc") == "abc");
  CHECK(hex_of("localhost:5000/x") == "localhost:5000/x");
  CHECK(digest_with_hex(std::string(96, 'a')).empty());
  CHECK(digest_with_hex("..").empty());
}

}  // namespace
}  // namespace sandbox
