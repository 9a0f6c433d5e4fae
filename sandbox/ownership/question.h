// A call of a process, with what is known of who makes it.
#pragma once

#include "sandbox/ownership/caller.h"
#include "sandbox/ownership/calls.h"
#include "sandbox/ownership/credentials.h"

namespace sandbox::ownership {

struct Question {
  Caller& caller;
  Asked asked;
  const __u64* arguments;
  const Credentials& credentials;

  int descriptor(int index) const { return static_cast<int>(arguments[index]); }
  unsigned word(int index) const { return static_cast<unsigned>(arguments[index]); }
  Id id(int index) const {
    const unsigned number = word(index);
    return asked.narrow && (number & 0xFFFF) == 0xFFFF ? kSame : asked.narrow ? number & 0xFFFF : number;
  }
  std::size_t width() const { return asked.narrow ? 2 : 4; }
};

}  // namespace sandbox::ownership
