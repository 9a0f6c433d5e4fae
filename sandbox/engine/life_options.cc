// See life_options.h.
#include "sandbox/engine/life_options.h"

#include <algorithm>
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/engine/units.h"

namespace sandbox::engine {
namespace {

constexpr int kMostLogFiles = 1000;

[[noreturn]] void refuse_policy(std::string_view reason) {
  throw UsageError(fmt::format("invalid restart policy: {}", reason));
}

container::RestartWhen parse_when(std::string_view name) {
  using container::RestartWhen;
  if (name.empty() || name == "no") return RestartWhen::no;
  if (name == "on-failure") return RestartWhen::on_failure;
  if (name == "always") return RestartWhen::always;
  if (name == "unless-stopped") return RestartWhen::unless_stopped;
  refuse_policy(
      fmt::format("unknown policy '{}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", name));
}

bool is_whole_number(std::string_view text, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

container::RestartPolicy parse_restart_policy(std::string_view words) {
  const auto colon = words.find(':');
  container::RestartPolicy policy{.when = parse_when(words.substr(0, colon))};
  if (colon == std::string_view::npos) return policy;
  if (!is_whole_number(words.substr(colon + 1), policy.most)) refuse_policy("maximum retry count must be an integer");
  if (policy.most < 0) refuse_policy("maximum retry count cannot be negative");
  if (policy.when != container::RestartWhen::on_failure) {
    refuse_policy("maximum retry count can only be used with 'on-failure'");
  }
  return policy;
}

namespace {

container::LogDriver parse_driver(const std::string& name) {
  const auto words = words_of(container::LogDriver{});
  const auto found = std::ranges::find(words, std::string_view(name.empty() ? "json-file" : name));
  if (found == words.end()) {
    throw UsageError(fmt::format("logger: no log driver named '{}' is registered", name),
                     "drivers: json-file, local, journald, none");
  }
  return static_cast<container::LogDriver>(found - words.begin());
}

void apply_file_option(container::LogPlan& plan, const std::string& name, const std::string& value) {
  if (name == "max-size") {
    plan.most_bytes = value == "-1" ? 0 : parse_size(value);
  } else if (name == "max-file") {
    if (!is_whole_number(value, plan.most_files) || plan.most_files < 1 || plan.most_files > kMostLogFiles) {
      throw UsageError(fmt::format("invalid value for max-file: '{}' is not a number from 1 to {}", value, kMostLogFiles));
    }
  } else if (name != "mode" || value != "blocking") {
    throw UsageError(fmt::format("unknown log opt '{}' for {} log driver", name + (name == "mode" ? "=" + value : ""),
                                 words_of(plan.driver)[static_cast<std::size_t>(plan.driver)]),
                     "options: max-size, max-file");
  }
}

}  // namespace

container::LogPlan parse_log(const std::string& driver, const std::vector<std::string>& options) {
  container::LogPlan plan{.driver = parse_driver(driver)};
  if (plan.driver == container::LogDriver::local) {  // as with Docker
    plan.most_bytes = 20U << 20;
    plan.most_files = 5;
  }
  for (const std::string& option : options) {
    const auto equals = option.find('=');
    if (equals == std::string::npos) throw UsageError(fmt::format("invalid logging opt: {}", option));
    const std::string name = option.substr(0, equals), value = option.substr(equals + 1);
    plan.options[name] = value;
    if (plan.driver == container::LogDriver::none) continue;  // as Docker
    if (plan.driver == container::LogDriver::journald) {
      throw UsageError(fmt::format("unknown log opt '{}' for journald log driver", name));
    }
    apply_file_option(plan, name, value);
  }
  return plan;
}

int parse_stop_timeout(const std::string& text) {
  int seconds = container::usual_stop_time;
  if (!text.empty() && !is_whole_number(text, seconds)) {
    throw UsageError(fmt::format("invalid argument \"{0}\" for \"--stop-timeout\" flag: strconv.ParseInt: parsing "
                                 "\"{0}\": invalid syntax",
                                 text));
  }
  return seconds;
}

}  // namespace sandbox::engine
