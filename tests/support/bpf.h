// An evaluator for seccomp filters (classic BPF, seccomp(2)), so that a verdict about any architecture can be asked
// for on any kernel. Instructions that seccomp does not allow end it with an error.
#pragma once

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

namespace sandbox::testing {

inline std::uint32_t bpf_operate(std::uint16_t operation, std::uint32_t a, std::uint32_t b) {
  switch (operation) {
    case BPF_ADD:
      return a + b;
    case BPF_SUB:
      return a - b;
    case BPF_AND:
      return a & b;
    case BPF_OR:
      return a | b;
    case BPF_LSH:
      return a << (b & 31);
    case BPF_RSH:
      return a >> (b & 31);
    default:
      throw std::runtime_error("an arithmetic instruction that no filter of ours has");
  }
}

inline bool bpf_holds(std::uint16_t comparison, std::uint32_t a, std::uint32_t b) {
  switch (comparison) {
    case BPF_JEQ:
      return a == b;
    case BPF_JGT:
      return a > b;
    case BPF_JGE:
      return a >= b;
    case BPF_JSET:
      return (a & b) != 0;
    default:
      throw std::runtime_error("a jump that is none of classic BPF");
  }
}

/// The filter's verdict (SECCOMP_RET_*) about one system call.
inline std::uint32_t evaluate_filter(std::span<const std::byte> program, const seccomp_data& call) {
  std::vector<sock_filter> code(program.size() / sizeof(sock_filter));
  std::memcpy(code.data(), program.data(), code.size() * sizeof(sock_filter));
  std::uint32_t accumulator = 0, memory[BPF_MEMWORDS] = {};
  for (std::size_t at = 0; at < code.size(); ++at) {
    const sock_filter& step = code[at];
    switch (BPF_CLASS(step.code)) {
      case BPF_LD:
        if (step.code == (BPF_LD | BPF_W | BPF_ABS) && step.k % 4 == 0 && step.k <= sizeof call - 4) {
          std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + step.k, sizeof accumulator);
        } else if (step.code == (BPF_LD | BPF_MEM) && step.k < BPF_MEMWORDS) {
          accumulator = memory[step.k];
        } else {
          throw std::runtime_error("a load that seccomp forbids");
        }
        break;
      case BPF_ST:
        memory[step.k % BPF_MEMWORDS] = accumulator;
        break;
      case BPF_ALU:
        accumulator = bpf_operate(BPF_OP(step.code), accumulator, step.k);
        break;
      case BPF_JMP:
        if (BPF_OP(step.code) == BPF_JA)
          at += step.k;
        else
          at += bpf_holds(BPF_OP(step.code), accumulator, step.k) ? step.jt : step.jf;
        break;
      case BPF_RET:
        return step.k;
      default:
        throw std::runtime_error("an instruction that no filter of ours has");
    }
  }
  throw std::runtime_error("the filter ends without a verdict");
}

}  // namespace sandbox::testing
