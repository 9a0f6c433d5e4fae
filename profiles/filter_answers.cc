// See filter_answers.h. Runs the filter (classic BPF) on made-up calls. Each comparison on the way says what the
// argument would have to be for the other branch, and so the next calls to try; only those are followed that reach
// something new, which bounds them by the filter's length.
#include "profiles/filter_answers.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "sandbox/base/error.h"

namespace sandbox::profiles {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#endif

constexpr std::size_t words = sizeof(seccomp_data) / 4;
constexpr std::size_t first_argument = offsetof(seccomp_data, args) / 4;
using Call = std::array<std::uint32_t, words>;

/// Where the accumulator's value comes from: a word of the call, of which `mask` is left.
struct Origin {
  std::size_t word = words;  ///< `words`: from nowhere that can be changed.
  std::uint32_t mask = UINT32_MAX;
};

class Explorer {
 public:
  explicit Explorer(std::span<const std::byte> filter) : code_(filter.size() / sizeof(sock_filter)) {
    if (!code_.empty()) ::memcpy(code_.data(), filter.data(), code_.size() * sizeof(sock_filter));
  }

  std::set<std::uint32_t> answers_to(std::uint32_t number) {
    Call call{};
    call[offsetof(seccomp_data, nr) / 4] = number;
    call[offsetof(seccomp_data, arch) / 4] = architecture;
    waiting_.push_back(call);
    while (!waiting_.empty()) {
      const Call next = waiting_.back();
      waiting_.pop_back();
      run(next);
    }
    return answers_;
  }

 private:
  /// Follows one call; what it says about others is kept if it came where none has been.
  void run(const Call& call) {
    std::vector<Call> others;
    bool is_new = false;
    std::uint32_t value = 0;
    Origin origin;
    for (std::size_t at = 0; at < code_.size(); ++at) {
      const sock_filter& step = code_[at];
      switch (BPF_CLASS(step.code)) {
        case BPF_LD:
          if (step.code != (BPF_LD | BPF_W | BPF_ABS) || step.k % 4 != 0 || step.k / 4 >= words) refuse();
          value = call[step.k / 4];
          origin = {step.k / 4 >= first_argument ? step.k / 4 : words};
          break;
        case BPF_ALU:
          if (step.code != (BPF_ALU | BPF_AND | BPF_K)) refuse();
          value &= step.k;
          origin.mask &= step.k;
          break;
        case BPF_JMP: {
          if (BPF_OP(step.code) == BPF_JA) {
            at += step.k;
            break;
          }
          const bool holds = compare(step, value);
          is_new |= seen_.emplace(at, holds).second;
          add_others(call, step, origin, others);
          at += holds ? step.jt : step.jf;
          break;
        }
        case BPF_RET:
          answers_.insert(step.k);
          if (is_new) waiting_.insert(waiting_.end(), others.begin(), others.end());
          return;
        default:
          refuse();
      }
    }
    refuse();
  }

  [[noreturn]] static void refuse() { throw InvalidInput("the seccomp filter is none of this program's making"); }

  static bool compare(const sock_filter& step, std::uint32_t value) {
    switch (BPF_OP(step.code)) {
      case BPF_JEQ:
        return value == step.k;
      case BPF_JGT:
        return value > step.k;
      case BPF_JGE:
        return value >= step.k;
      case BPF_JSET:
        return (value & step.k) != 0;
      default:
        refuse();
    }
  }

  /// The call with such bits in that word as meet the comparison, just miss it, or have one bit of it another way.
  static void add_others(const Call& call, const sock_filter& step, const Origin& origin, std::vector<Call>& others) {
    if (origin.word == words || origin.mask == 0) return;
    const std::uint32_t lowest = origin.mask & (~origin.mask + 1);
    const std::uint32_t kept = call[origin.word] & ~origin.mask;
    for (const std::uint32_t value : {step.k, step.k + lowest, step.k - lowest, step.k ^ lowest, ~step.k}) {
      Call other = call;
      other[origin.word] = kept | (value & origin.mask);
      if (other != call) others.push_back(other);
    }
  }

  std::vector<sock_filter> code_;
  std::vector<Call> waiting_;
  std::set<std::pair<std::size_t, bool>> seen_;  ///< Comparisons, and how they ended.
  std::set<std::uint32_t> answers_;
};

}  // namespace

std::optional<std::uint32_t> call_number(const std::string& name) {
  const int number = ::seccomp_syscall_resolve_name_arch(architecture, name.c_str());
  if (number < 0) return {};
  return static_cast<std::uint32_t>(number);
}

std::set<std::uint32_t> possible_answers(std::span<const std::byte> filter, std::uint32_t number) {
  if (filter.empty()) return {SECCOMP_RET_ALLOW};
  return Explorer(filter).answers_to(number);
}

std::string answer_text(std::uint32_t answer) {
  switch (answer & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
      return "allowed";
    case SECCOMP_RET_LOG:
      return "allowed and logged";
    case SECCOMP_RET_ERRNO: {
      const int number = static_cast<int>(answer & SECCOMP_RET_DATA);
      const char* const name = ::strerrorname_np(number);
      return fmt::format("denied: {} ({})", Errno{number}.message(), name != nullptr ? name : "no error");
    }
    case SECCOMP_RET_KILL_PROCESS:
    case SECCOMP_RET_KILL_THREAD:
      return "denied: ends the process";
    default:
      return "denied: left to a tracer or a signal";
  }
}

}  // namespace sandbox::profiles
