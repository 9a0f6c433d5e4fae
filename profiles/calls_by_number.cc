#include "profiles/calls_by_number.h"

#include <errno.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <utility>

namespace sandbox::profiles {
namespace {

constexpr std::size_t farthest_branch = 255;  ///< sock_filter::jt and jf have eight bits; BPF_JA's distance has 32.
constexpr sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
constexpr sock_filter no_such_call = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
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

class Front {
 public:
  explicit Front(const ByNumber& calls) : limits_(limits_of_runs(calls.allowed)), newest_(calls.newest) {}

  std::vector<sock_filter> for_architecture(std::uint32_t architecture) {
    program_.push_back(load(offsetof(seccomp_data, arch)));
    program_.push_back(branch(BPF_JEQ, architecture, 1, 0));
    leave();
    program_.push_back(load(offsetof(seccomp_data, nr)));
    if (newest_) {
      program_.push_back(branch(BPF_JGT, *newest_, 0, 1));
      program_.push_back(no_such_call);
    }
    search(0, limits_.size());
    for (const std::size_t at : leaving_) program_[at].k = distance(at);
    return std::move(program_);
  }

 private:
  std::uint32_t distance(std::size_t from) const { return static_cast<std::uint32_t>(program_.size() - from - 1); }

  /// To the end of the program.
  void leave() {
    leaving_.push_back(program_.size());
    program_.push_back(jump);
  }

  /// Decides for a number of which the limits before `first` and those from `last` on are known to be below and above.
  void search(std::size_t first, std::size_t last) {
    if (first == last) {
      const bool inside = first % 2 == 1;
      inside ? program_.push_back(allow) : leave();
      return;
    }
    const std::size_t middle = first + (last - first) / 2;
    const std::size_t at = program_.size();
    const bool far = 2 * (middle - first) + 1 > farthest_branch;  // that many instructions decide what is below
    program_.push_back(branch(BPF_JGE, limits_[middle], 0, far ? 1 : 0));
    if (far) program_.push_back(jump);
    search(first, middle);
    if (far) {
      program_[at + 1].k = distance(at + 1);
    } else {
      program_[at].jt = static_cast<std::uint8_t>(distance(at));
    }
    search(middle + 1, last);
  }

  std::vector<sock_filter> program_;
  std::vector<std::uint32_t> limits_;
  std::optional<std::uint32_t> newest_;
  std::vector<std::size_t> leaving_;
};

}  // namespace

std::vector<sock_filter> decide_at_once(std::uint32_t architecture, const ByNumber& calls) {
  if (calls.allowed.empty() && !calls.newest) return {};
  return Front(calls).for_architecture(architecture);
}

}  // namespace sandbox::profiles
