// See mode_change.h.
#include "sandbox/build/mode_change.h"

#include <algorithm>

#include "sandbox/base/error.h"

namespace sandbox::build {
namespace {

[[noreturn]] void fail(std::string_view text) {
  throw InvalidInput(
      fmt::format("invalid chmod parameter: '{}'. It should be octal string and between 0 and 07777, or a "
                  "symbolic mode such as u=rwX,go=rX",
                  text));
}

constexpr std::uint32_t kAll = 0777, kSetUser = 04000, kSetGroup = 02000, kSticky = 01000;

}  // namespace

ModeChange::Clause ModeChange::parse_clause(std::string_view text, std::string_view whole) {
  Clause clause;
  std::size_t at = 0;
  for (; at < text.size() && std::string_view("ugoa").find(text[at]) != std::string_view::npos; ++at) {
    clause.who |= text[at] == 'u' ? 0700U : text[at] == 'g' ? 070U : text[at] == 'o' ? 07U : kAll;
  }
  if (clause.who == 0) clause.who = kAll;
  if (at == text.size() || std::string_view("+-=").find(text[at]) == std::string_view::npos) fail(whole);
  clause.op = text[at++];
  for (; at < text.size(); ++at) {
    switch (text[at]) {
      case 'r':
        clause.bits |= 0444;
        break;
      case 'w':
        clause.bits |= 0222;
        break;
      case 'x':
        clause.bits |= 0111;
        break;
      case 'X':
        clause.conditional_execute = true;
        break;
      case 's':
        if ((clause.who & 0700U) != 0) clause.special |= kSetUser;
        if ((clause.who & 070U) != 0) clause.special |= kSetGroup;
        break;
      case 't':
        clause.special |= kSticky;
        break;
      default:
        fail(whole);
    }
  }
  return clause;
}

ModeChange::ModeChange(std::string_view text) {
  if (text.empty() || text.size() > 256) fail(text);
  if (text.find_first_not_of("01234567") == std::string_view::npos) {
    std::uint32_t mode = 0;
    for (const char c : text) mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
    if (text.size() > 5 || mode > 07777U) fail(text);
    for (const std::uint32_t shift : {6U, 3U, 0U}) {
      const std::uint32_t bits = (mode >> shift) & 7U;
      clauses_.push_back({7U << shift, '=', bits | bits << 3 | bits << 6, 0, false});
    }
    clauses_[0].special = mode & 07000U;
    return;
  }
  for (std::string_view rest = text;;) {
    const std::string_view clause = rest.substr(0, rest.find(','));
    clauses_.push_back(parse_clause(clause, text));
    if (clause.size() == rest.size()) return;
    rest.remove_prefix(clause.size() + 1);
  }
}

std::uint32_t ModeChange::applied(std::uint32_t mode, bool directory) const {
  for (const Clause& clause : clauses_) {
    const bool executes = clause.conditional_execute && (directory || (mode & 0111U) != 0);
    const std::uint32_t bits = ((clause.bits | (executes ? 0111U : 0U)) & clause.who) | clause.special;
    std::uint32_t cleared = clause.who;
    if ((clause.who & 0700U) != 0) cleared |= kSetUser;
    if ((clause.who & 070U) != 0) cleared |= kSetGroup;
    if ((clause.who & 07U) != 0) cleared |= kSticky;
    if (clause.op == '+')
      mode |= bits;
    else if (clause.op == '-')
      mode &= ~bits;
    else
      mode = (mode & ~cleared) | bits;
  }
  return mode;
}

}  // namespace sandbox::build
