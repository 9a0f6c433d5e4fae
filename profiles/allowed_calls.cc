#include "profiles/allowed_calls.h"

#include <linux/seccomp.h>

#include <cstddef>

namespace sandbox::profiles {
namespace {

constexpr std::size_t farthest_branch = 255;  ///< sock_filter::jt and jf have eight bits; BPF_JA's distance has 32.
constexpr sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
constexpr sock_filter jump = BPF_STMT(BPF_JMP | BPF_JA, 0);

sock_filter load(std::size_t field) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(field)); }

sock_filter branch(std::uint16_t comparison, std::uint32_t with, std::size_t when_true, std::size_t when_false) {
  return {static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), static_cast<std::uint8_t>(when_true),
          static_cast<std::uint8_t>(when_false), with};
}

/// Where runs begin and end, by turns: the numbers from the first up to (not including) the second are in the set.
std::vector<std::uint32_t> limits_of_runs(const std::set<std::uint32_t>& numbers) {
  std::vector<std::uint32_t> limits;
  for (const std::uint32_t number : numbers) {
    if (!limits.empty() && limits.back() == number) {
      ++limits.back();
    } else {
      limits.push_back(number);
      limits.push_back(number + 1);
    }
  }
  return limits;
}

class Search {
 public:
  explicit Search(std::vector<std::uint32_t> limits) : limits_(std::move(limits)) {}

  /// Decides for a number of which the limits before `first` and those from `last` on are known to be below and above.
  void decide(std::size_t first, std::size_t last) {
    if (first == last) {
      const bool inside = first % 2 == 1;
      if (!inside) leaving_.push_back(program.size());
      program.push_back(inside ? allow : jump);
      return;
    }
    const std::size_t middle = first + (last - first) / 2;
    const std::size_t at = program.size();
    const bool far = 2 * (middle - first) + 1 > farthest_branch;  // that many instructions decide what is below
    program.push_back(branch(BPF_JGE, limits_[middle], 0, far ? 1 : 0));
    if (far) program.push_back(jump);
    decide(first, middle);
    if (far) {
      program[at + 1].k = static_cast<std::uint32_t>(program.size() - at - 2);
    } else {
      program[at].jt = static_cast<std::uint8_t>(program.size() - at - 1);
    }
    decide(middle + 1, last);
  }

  void leave_at_the_end() {
    for (const std::size_t at : leaving_) program[at].k = static_cast<std::uint32_t>(program.size() - at - 1);
  }

  void append_for(std::uint32_t architecture) {
    program.push_back(load(offsetof(seccomp_data, arch)));
    program.push_back(branch(BPF_JEQ, architecture, 1, 0));
    leaving_.push_back(program.size());
    program.push_back(jump);
    program.push_back(load(offsetof(seccomp_data, nr)));
    decide(0, limits_.size());
    leave_at_the_end();
  }

  std::vector<sock_filter> program;

 private:
  std::vector<std::uint32_t> limits_;
  std::vector<std::size_t> leaving_;  ///< Jumps to the end.
};

}  // namespace

std::vector<sock_filter> allow_at_once(std::uint32_t architecture, const std::set<std::uint32_t>& numbers) {
  if (numbers.empty()) return {};
  Search search(limits_of_runs(numbers));
  search.append_for(architecture);
  return std::move(search.program);
}

}  // namespace sandbox::profiles
