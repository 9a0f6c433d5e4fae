// A fuzz target, for libFuzzer (preset `fuzz`) or for replay_main.cc, which runs the corpus as an ordinary test.
// Refusals are exceptions of sandbox::Error and no finding; a violated invariant ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "sandbox/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
/// Of targets that have something to do before the first input.
extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) __attribute__((weak));

namespace sandbox::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(data), size);
}

/// An invariant of the code under test.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

/// Runs `parse`; a refusal is fine.
template <class Parse>
void attempt(Parse parse) {
  try {
    parse();
  } catch (const Error&) {
    return;
  }
}

}  // namespace sandbox::fuzz
