// See process_options.h.
#include "sandbox/engine/process_options.h"

#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/engine/identity.h"
#include "userns/kernel_settings.h"

namespace sandbox::engine {
namespace {

constexpr std::int32_t kMostScore = 1000;

template <class Number>
bool is_number(std::string_view text, Number& number, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc{} && end == text.data() + text.size();
}

struct Word {
  userns::NamespaceKind kind;
  bool userns::NamespacePlan::*own;
  const char* name;
};
constexpr Word kNamespaces[] = {{userns::NamespaceKind::ipc, &userns::NamespacePlan::ipc, "IPC"},
                                {userns::NamespaceKind::network, &userns::NamespacePlan::network, "network"}};

void check_sysctl(const std::string& name, const userns::NamespacePlan& namespaces) {
  for (const Word& word : kNamespaces) {
    if (!userns::is_sysctl_of(name, word.kind)) continue;
    if (namespaces.*word.own) return;
    throw UsageError(fmt::format("sysctl '{}' is not allowed in a {} namespace that is not the container's own", name,
                                 word.name));
  }
  throw UsageError(fmt::format("sysctl '{}' is not allowed: it is not of a namespace that the container has", name));
}

}  // namespace

std::uint32_t parse_umask(const std::string& text) {
  std::uint32_t mask = 022;
  if (!text.empty() && (!is_number(text, mask, 8) || mask > 0777)) {
    throw UsageError(fmt::format("invalid umask '{}': not an octal number up to 0777", text));
  }
  return mask;
}

std::optional<std::int32_t> parse_oom_score_adj(const std::string& text) {
  if (text.empty()) return {};
  std::int32_t score = 0;
  if (!is_number(text, score)) {
    throw UsageError(fmt::format("invalid argument \"{0}\" for \"--oom-score-adj\" flag: strconv.ParseInt: parsing "
                                 "\"{0}\": invalid syntax",
                                 text));
  }
  if (score < -kMostScore || score > kMostScore) {
    throw UsageError(fmt::format("Invalid value {}, range for oom score adj is [-1000, 1000]", score));
  }
  return score;
}

std::vector<userns::Sysctl> parse_sysctls(const std::vector<std::string>& words,
                                          const userns::NamespacePlan& namespaces) {
  std::vector<userns::Sysctl> sysctls;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (equals == std::string::npos || name.empty() || name.find("..") != std::string::npos || name.starts_with('.')) {
      throw UsageError(fmt::format("invalid argument \"{}\" for \"--sysctl\" flag: not NAME=VALUE", word));
    }
    check_sysctl(name, namespaces);
    sysctls.push_back({name, word.substr(equals + 1)});
  }
  return sysctls;
}

std::vector<std::uint32_t> find_groups(const std::vector<std::string>& words, std::string_view group) {
  std::vector<std::uint32_t> groups;
  for (const std::string& word : words) groups.push_back(find_group(word, group));
  return groups;
}

}  // namespace sandbox::engine
