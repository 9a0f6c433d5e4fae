// Docker's seccomp profile format to a BPF program, by libseccomp. Pure but for a memfd and
// uname(2); runs in the command's process, before any namespace exists. A profile whose rules contradict each other
// is refused.
//
// Invariants of every program: the i386 calls of an x86_64 kernel pass through the same rules, and
// a foreign architecture (x32 among them) gets ENOSYS for every call, even when the profile allows
// by default: its numbers would otherwise slip past the rules.
#include "profiles/seccomp.h"

#include <linux/filter.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "profiles/calls_by_number.h"
#include "profiles/capabilities.h"
#include "sandbox/base/error.h"
#include "sandbox/base/fd.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"

namespace sandbox::profiles {
namespace {

#if defined(__x86_64__)
constexpr std::string_view native_name = "amd64";  ///< Docker's.
constexpr std::uint32_t native_arch = SCMP_ARCH_X86_64;
constexpr std::uint32_t sub_arch = SCMP_ARCH_X86;
#elif defined(__aarch64__)
constexpr std::string_view native_name = "arm64";
constexpr std::uint32_t native_arch = SCMP_ARCH_AARCH64;
constexpr std::uint32_t sub_arch = SCMP_ARCH_ARM;
#else
#error "seccomp profiles are written for x86_64 and aarch64"
#endif

using Context = std::unique_ptr<void, decltype([](void* filter) { ::seccomp_release(filter); })>;

struct Rule {
  std::string where;  ///< "syscalls[3]", for messages.
  std::vector<std::string> names;
  std::uint32_t action = 0;
  std::vector<scmp_arg_cmp> args;
};

/// What a rule says about one system call; several when comparisons are alternatives.
struct Verdict {
  std::string where, name;
  int number = 0;
  std::uint32_t action = 0;
  std::vector<scmp_arg_cmp> args;  ///< All of them; empty: always.
};

[[noreturn]] void fail(const std::string& where, const std::string& reason) {
  throw InvalidInput(fmt::format("seccomp profile: {}: {}", where, reason));
}

/// The member `key`, or null when it is absent or JSON's null (Docker writes both).
const Json* member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> text_member(const Json& object, const char* key, const std::string& where) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail(where, fmt::format("'{}' is not a string", key));
  return value->get<std::string>();
}

std::vector<std::string> text_list(const Json& object, const char* key, const std::string& where) {
  std::vector<std::string> result;
  const Json* list = member(object, key);
  if (list == nullptr) return result;
  if (!list->is_array()) fail(where, fmt::format("'{}' is not a list", key));
  for (const Json& item : *list) {
    if (!item.is_string()) fail(where, fmt::format("'{}' holds something else than strings", key));
    result.push_back(item.get<std::string>());
  }
  return result;
}

std::optional<std::uint64_t> number_member(const Json& object, const char* key, std::uint64_t limit,
                                           const std::string& where) {
  const Json* value = member(object, key);
  if (value == nullptr) return std::nullopt;
  const bool natural = value->is_number_unsigned() || (value->is_number_integer() && value->get<std::int64_t>() >= 0);
  if (!natural || value->get<std::uint64_t>() > limit) {
    fail(where, fmt::format("'{}' is not a whole number of at most {}", key, limit));
  }
  return value->get<std::uint64_t>();
}

template <class Value>
struct Word {
  std::string_view name;
  Value value;
};
constexpr Word<std::uint32_t> action_words[] = {
    {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
    {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0U)},
    {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
    {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
    {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY},
    {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0U)},
    {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
};
constexpr Word<scmp_compare> operator_words[] = {
    {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_LE", SCMP_CMP_LE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    {"SCMP_CMP_NE", SCMP_CMP_NE},
};

template <class Words>
std::vector<std::string> names_of(const Words& words) {
  std::vector<std::string> names;
  for (const auto& word : words) names.emplace_back(word.name);
  return names;
}

std::uint32_t parse_action(const std::string& name, std::optional<std::uint64_t> number, const std::string& where) {
  const auto* found = std::ranges::find(action_words, name, &Word<std::uint32_t>::name);
  if (found == std::end(action_words)) fail(where, fmt::format("unknown action '{}'", name));
  if (found->value == SCMP_ACT_ERRNO(0U) || found->value == SCMP_ACT_TRACE(0U)) {
    // The kernel's number of an errno or a trace message has 16 bits; EPERM is Docker's choice.
    return found->value | (static_cast<std::uint32_t>(number.value_or(EPERM)) & 0xffffU);
  }
  if (number) fail(where, fmt::format("action '{}' has no error number", name));
  return found->value;
}

scmp_arg_cmp parse_argument(const Json& object, const std::string& where) {
  if (!object.is_object()) fail(where, "not an object");
  const std::string op = text_member(object, "op", where).value_or("");
  const auto* found = std::ranges::find(operator_words, op, &Word<scmp_compare>::name);
  if (found == std::end(operator_words)) fail(where, fmt::format("unknown operator '{}'", op));
  const auto index = number_member(object, "index", 5, where);
  if (!index) fail(where, "'index' is missing");
  scmp_arg_cmp result{};
  result.arg = static_cast<unsigned>(*index);
  result.op = found->value;
  result.datum_a = number_member(object, "value", UINT64_MAX, where).value_or(0);
  result.datum_b = number_member(object, "valueTwo", UINT64_MAX, where).value_or(0);
  return result;
}

/// True when the running kernel's version is at least `minimum` ("4.8").
bool kernel_at_least(const std::string& minimum, const std::string& where) {
  unsigned want_major = 0;
  unsigned want_minor = 0;
  char rest = 0;
  if (std::sscanf(minimum.c_str(), "%4u.%4u%c", &want_major, &want_minor, &rest) != 2) {
    fail(where, fmt::format("'minKernel' is '{}', not two numbers with a dot between", minimum));
  }
  utsname system{};
  unsigned major = 0;
  unsigned minor = 0;
  if (::uname(&system) != 0 || std::sscanf(system.release, "%u.%u", &major, &minor) != 2) return false;
  return std::pair(major, minor) >= std::pair(want_major, want_minor);
}

bool holds(const std::string& name, std::uint64_t capabilities, const std::string& where) {
  try {
    return (capabilities & capability_bit(name)) != 0;
  } catch (const UsageError& error) {
    fail(where, error.what());
  }
}

/// Docker's conditions: every one of `includes` (all capabilities, one of the architectures), none of `excludes`.
bool applies(const Json& block, std::uint64_t capabilities, const std::string& where) {
  const auto has = [&](const std::string& name) { return holds(name, capabilities, where); };
  for (const char* key : {"includes", "excludes"}) {
    const Json* filter = member(block, key);
    if (filter == nullptr) continue;
    if (!filter->is_object()) fail(where, fmt::format("'{}' is not an object", key));
    const auto caps = text_list(*filter, "caps", where);
    const auto arches = text_list(*filter, "arches", where);
    const auto kernel = text_member(*filter, "minKernel", where);
    const bool native = std::ranges::find(arches, native_name) != arches.end();
    const bool recent = kernel && !kernel->empty() && kernel_at_least(*kernel, where);
    if (key[0] == 'i') {
      if (std::ranges::count_if(caps, has) != std::ssize(caps)) return false;
      if ((!arches.empty() && !native) || (kernel && !kernel->empty() && !recent)) return false;
    } else if (std::ranges::count_if(caps, has) != 0 || native || recent) {
      return false;
    }
  }
  return true;
}

Rule parse_rule(const Json& block, const std::string& where) {
  Rule rule{.where = where, .names = text_list(block, "names", where)};
  if (const auto name = text_member(block, "name", where); name && !name->empty()) {
    if (!rule.names.empty()) fail(where, "both 'name' and 'names' are given");
    rule.names.push_back(*name);
  }
  if (rule.names.empty()) fail(where, "no system call is named");
  const auto action = text_member(block, "action", where);
  if (!action) fail(where, "'action' is missing");
  rule.action = parse_action(*action, number_member(block, "errnoRet", 0xffff, where), where);
  if (const Json* args = member(block, "args")) {
    if (!args->is_array()) fail(where, "'args' is not a list");
    for (const Json& item : *args) {
      rule.args.push_back(parse_argument(item, fmt::format("{}.args[{}]", where, rule.args.size())));
    }
  }
  return rule;
}

std::vector<Rule> parse_rules(const Json& profile, std::uint64_t capabilities) {
  std::vector<Rule> rules;
  const Json* blocks = member(profile, "syscalls");
  if (blocks == nullptr) return rules;
  if (!blocks->is_array()) fail("syscalls", "not a list");
  for (std::size_t index = 0; index < blocks->size(); ++index) {
    const std::string where = fmt::format("syscalls[{}]", index);
    const Json& block = (*blocks)[index];
    if (!block.is_object()) fail(where, "not an object");
    Rule rule = parse_rule(block, where);  // First, so that a mistake shows whatever the capabilities.
    if (applies(block, capabilities, where)) rules.push_back(std::move(rule));
  }
  return rules;
}

/// True when some argument is compared more than once.
bool repeats_argument(const std::vector<scmp_arg_cmp>& args) {
  unsigned seen = 0;
  for (const scmp_arg_cmp& arg : args) {
    if ((seen & (1U << arg.arg)) != 0) return true;
    seen |= 1U << arg.arg;
  }
  return false;
}

void append_verdicts(const Rule& rule, UnknownCalls unknown, std::vector<Verdict>& verdicts) {
  for (const std::string& name : rule.names) {
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR && unknown == UnknownCalls::refused) {
      fail(rule.where, fmt::format("unknown system call '{}'", name));
    }
    if (number == __NR_SCMP_ERROR) continue;
    const Verdict verdict{rule.where, name, number, rule.action, rule.args};
    if (!repeats_argument(rule.args)) {
      verdicts.push_back(verdict);
      continue;
    }
    // runc's reading, which profiles rely on: comparisons of one argument are alternatives.
    for (const scmp_arg_cmp& arg : rule.args) {
      verdicts.push_back(verdict);
      verdicts.back().args = {arg};
    }
  }
}

bool holds_for(const scmp_arg_cmp& comparison, std::uint64_t value) {
  switch (comparison.op) {
    case SCMP_CMP_NE:
      return value != comparison.datum_a;
    case SCMP_CMP_LT:
      return value < comparison.datum_a;
    case SCMP_CMP_LE:
      return value <= comparison.datum_a;
    case SCMP_CMP_EQ:
      return value == comparison.datum_a;
    case SCMP_CMP_GE:
      return value >= comparison.datum_a;
    case SCMP_CMP_GT:
      return value > comparison.datum_a;
    case SCMP_CMP_MASKED_EQ:
      return (value & comparison.datum_a) == (comparison.datum_b & comparison.datum_a);
    default:
      return true;
  }
}

/// True only when no value satisfies both comparisons.
bool exclude_each_other(const scmp_arg_cmp& a, const scmp_arg_cmp& b) {
  if (a.arg != b.arg) return false;
  if (a.op == SCMP_CMP_EQ) return !holds_for(b, a.datum_a);
  if (b.op == SCMP_CMP_EQ) return !holds_for(a, b.datum_a);
  if (a.op == SCMP_CMP_MASKED_EQ && b.op == SCMP_CMP_MASKED_EQ) {
    return ((a.datum_b ^ b.datum_b) & a.datum_a & b.datum_a) != 0;
  }
  const auto is_upper = [](const scmp_arg_cmp& c) { return c.op == SCMP_CMP_LT || c.op == SCMP_CMP_LE; };
  const auto is_lower = [](const scmp_arg_cmp& c) { return c.op == SCMP_CMP_GT || c.op == SCMP_CMP_GE; };
  // A bound from below and one from above have a value in common unless each rules the other's limit out.
  if (is_upper(a) && is_lower(b))
    return a.datum_a <= b.datum_a && !(holds_for(a, b.datum_a) && holds_for(b, b.datum_a));
  if (is_upper(b) && is_lower(a)) return exclude_each_other(b, a);
  return false;
}

bool can_both_hold(const Verdict& a, const Verdict& b) {
  return std::ranges::none_of(a.args, [&](const scmp_arg_cmp& left) {
    return std::ranges::any_of(b.args, [&](const scmp_arg_cmp& right) { return exclude_each_other(left, right); });
  });
}

/// With conditions: more than any filter of 4096 instructions has in practice; libseccomp takes long for many more.
constexpr std::ptrdiff_t most_conditional = 1024;

/// Each verdict once: a profile may say the same 100,000 times.
std::vector<Verdict> without_repetitions(std::vector<Verdict> verdicts) {
  using Comparison = std::tuple<unsigned, int, std::uint64_t, std::uint64_t>;
  std::set<std::tuple<int, std::uint32_t, std::vector<Comparison>>> seen;
  std::erase_if(verdicts, [&](const Verdict& verdict) {
    std::vector<Comparison> comparisons;
    for (const scmp_arg_cmp& arg : verdict.args) comparisons.emplace_back(arg.arg, arg.op, arg.datum_a, arg.datum_b);
    return !seen.emplace(verdict.number, verdict.action, std::move(comparisons)).second;
  });
  if (std::ranges::count_if(verdicts, [](const Verdict& verdict) { return !verdict.args.empty(); }) >
      most_conditional) {
    fail("syscalls", fmt::format("more than {} different rules have conditions", most_conditional));
  }
  return verdicts;
}

/// libseccomp resolves a contradiction by dropping one side without a word, which may be a denial. A profile that
/// says two things about one call is therefore refused.
void refuse_contradictions(const std::vector<Verdict>& verdicts) {
  for (std::size_t later = 0; later < verdicts.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      const Verdict &a = verdicts[earlier], &b = verdicts[later];
      if (a.number != b.number || a.action == b.action || !can_both_hold(a, b)) continue;
      fail(b.where,
           fmt::format("'{}' contradicts {}: a call can meet both, and their actions differ", b.name, a.where));
    }
  }
}

void check(int result, const std::string& what) {
  if (result < 0) throw SysError(Errno{-result}, "seccomp profile: " + what);
}

void add_verdict(scmp_filter_ctx filter, const Verdict& verdict) {
  const int result = ::seccomp_rule_add_array(filter, verdict.action, verdict.number,
                                              static_cast<unsigned>(verdict.args.size()), verdict.args.data());
  // The same may be said twice, and a condition beside "always"; nothing that is dropped differs in its action.
  if (result != -EEXIST) check(result, fmt::format("{}: adding '{}'", verdict.where, verdict.name));
}

/// The system call's number on `arch` (SCMP_ARCH_*); negative where it has none of its own.
int number_on(std::uint32_t arch, const Verdict& verdict) {
  return ::seccomp_syscall_resolve_name_arch(arch, verdict.name.c_str());
}

/// Calls up to this one have been there since Linux 4.20 or longer, under numbers that architectures choose, i386 for
/// some two: a profile that does not name them denies them (arch/x86/entry/syscalls in Linux).
constexpr int last_old_call = 402;

/// Whether the default action denies: then a profile names what it knows.
bool denies(std::uint32_t action) {
  const std::uint32_t kind = action & SECCOMP_RET_ACTION_FULL;
  return kind == SECCOMP_RET_ERRNO || kind == SECCOMP_RET_TRAP || kind == SECCOMP_RET_KILL_THREAD ||
         kind == SECCOMP_RET_KILL_PROCESS;
}

/// What the number of a call on `arch` decides, whatever its arguments.
ByNumber decided_by_number(const std::vector<Verdict>& verdicts, std::uint32_t default_action, std::uint32_t arch) {
  std::map<int, bool> always;
  for (const Verdict& verdict : verdicts) {
    const int number = number_on(arch, verdict);
    const bool allowed = verdict.action == SCMP_ACT_ALLOW && verdict.args.empty();
    if (number >= 0) always.try_emplace(number, true).first->second &= allowed;
  }
  ByNumber calls;
  for (const auto& [number, allowed] : always) {
    if (allowed) calls.allowed.insert(static_cast<std::uint32_t>(number));
  }
  if (denies(default_action)) {
    const int newest = always.empty() ? 0 : always.rbegin()->first;
    calls.newest = static_cast<std::uint32_t>(std::max(newest, last_old_call));
  }
  return calls;
}

/// What libseccomp is to decide on `arch`: everything but the calls `settled`.
Context filter_for(std::uint32_t arch, const std::vector<Verdict>& verdicts, std::uint32_t default_action,
                   const std::set<std::uint32_t>& settled) {
  Context filter(::seccomp_init(default_action));
  if (!filter) fail("document", "its 'defaultAction' can't be the default action");
  if (arch != native_arch) {
    check(::seccomp_arch_add(filter.get(), arch), "adding the 32-bit architecture");
    check(::seccomp_arch_remove(filter.get(), native_arch), "leaving the 64-bit architecture out");
  }
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)),
        "denying foreign architectures");
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2), "choosing the search tree");
  for (const Verdict& verdict : verdicts) {
    const int number = number_on(arch, verdict);
    if (number >= 0 && settled.contains(static_cast<std::uint32_t>(number))) continue;
    // libseccomp refuses a rule that says what the default says already.
    if (verdict.action != default_action) add_verdict(filter.get(), verdict);
  }
  return filter;
}

void append_exported(scmp_filter_ctx filter, std::vector<sock_filter>& program) {
  const Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) throw SysError(Errno{errno}, "seccomp profile: making a memory file");
  check(::seccomp_export_bpf(filter, file.get()), "writing the program");
  const struct stat status = sys::fstat(file.get()) | or_throw("seccomp profile: sizing the program");
  const std::size_t before = program.size();
  program.resize(before + static_cast<std::size_t>(status.st_size) / sizeof(sock_filter));
  const ssize_t count = ::pread(file.get(), &program[before], static_cast<std::size_t>(status.st_size), 0);
  if (count != status.st_size) throw Error("seccomp profile: the program could not be read back");
}

std::vector<std::byte> bytes_of(const std::vector<sock_filter>& program) {
  if (program.size() > BPF_MAXINSNS) {
    fail("syscalls",
         fmt::format("it takes {} instructions, and the kernel's limit is {}", program.size(), BPF_MAXINSNS));
  }
  const auto bytes = std::as_bytes(std::span(program));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::vector<std::byte> compile_seccomp(const Json& profile, std::uint64_t capabilities, UnknownCalls unknown) {
  if (!profile.is_object()) fail("document", "not an object");
  const auto name = text_member(profile, "defaultAction", "document");
  if (!name) fail("document", "'defaultAction' is missing");
  const std::uint32_t default_action =
      parse_action(*name, number_member(profile, "defaultErrnoRet", 0xffff, "document"), "document");
  std::vector<Verdict> verdicts;
  for (const Rule& rule : parse_rules(profile, capabilities)) append_verdicts(rule, unknown, verdicts);
  verdicts = without_repetitions(std::move(verdicts));
  refuse_contradictions(verdicts);

  std::vector<sock_filter> program;
  Context decided;
  for (const std::uint32_t arch : {native_arch, sub_arch}) {
    const ByNumber calls = decided_by_number(verdicts, default_action, arch);
    const auto front = decide_at_once(arch, calls);
    program.insert(program.end(), front.begin(), front.end());
    Context filter = filter_for(arch, verdicts, default_action, calls.allowed);
    if (decided) {
      check(::seccomp_merge(decided.get(), filter.release()), "joining the architectures");
    } else {
      decided = std::move(filter);
    }
  }
  append_exported(decided.get(), program);
  return bytes_of(program);
}

Json without_calls(Json profile, const std::vector<std::string>& names) {
  if (!profile.is_object() || !profile["syscalls"].is_array()) fail("syscalls", "not a list");
  for (const std::string& name : names) {
    if (::seccomp_syscall_resolve_name(name.c_str()) == __NR_SCMP_ERROR)
      fail("deny-calls", fmt::format("unknown system call '{}'", name));
  }
  const auto is_denied = [&](const Json& name) {
    return name.is_string() && std::ranges::find(names, name.get_ref<const std::string&>()) != names.end();
  };
  Json kept = Json::array();
  for (Json& block : profile["syscalls"]) {
    if (!block.is_object()) fail("syscalls", "holds something else than objects");
    if (block.contains("name") && is_denied(block["name"])) continue;
    if (Json& list = block["names"]; list.is_array()) {
      std::erase_if(list.get_ref<Json::array_t&>(), is_denied);
      if (list.empty()) continue;
    }
    kept.push_back(std::move(block));
  }
  kept.push_back({{"names", names}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", EPERM}});
  profile["syscalls"] = std::move(kept);
  return profile;
}

std::vector<std::string> seccomp_actions() { return names_of(action_words); }
std::vector<std::string> seccomp_operators() { return names_of(operator_words); }

}  // namespace sandbox::profiles
