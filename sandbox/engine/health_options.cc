// See health_options.h. As docker/cli's container options and moby's image/cache and daemon merge them.
#include "sandbox/engine/health_options.h"

#include <charconv>
#include <limits>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/engine/moments.h"

namespace sandbox::engine {
namespace {

constexpr std::int64_t kLeast = 1'000'000;  // nanoseconds

std::vector<std::string> strings_of(const Json& list) {
  std::vector<std::string> words;
  if (!list.is_array()) return {};
  for (const Json& word : list) {
    if (!word.is_string()) return {};
    words.push_back(word.get<std::string>());
  }
  return words;
}

void apply_image(const Json& config, container::HealthPlan& plan) {
  const auto health = config.find("Healthcheck");
  if (health == config.end() || !health->is_object()) return;
  if (const auto test = health->find("Test"); test != health->end()) plan.test = strings_of(*test);
  const auto take = [&](const char* key, auto& field, std::int64_t most) {
    const auto value = health->find(key);
    if (value == health->end() || !value->is_number_integer()) return;
    const auto number = value->get<std::int64_t>();
    if (number > 0 && number <= most) field = static_cast<std::remove_reference_t<decltype(field)>>(number);
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 4;
  take("Interval", plan.interval, kMost);
  take("Timeout", plan.timeout, kMost);
  take("StartPeriod", plan.start_period, kMost);
  take("StartInterval", plan.start_interval, kMost);
  take("Retries", plan.retries, std::numeric_limits<int>::max());
}

void apply_duration(const std::string& text, const char* flag, const char* field, std::int64_t& value) {
  if (text.empty()) return;
  const auto given = parse_duration(text);
  if (!given) {
    throw UsageError(fmt::format("invalid argument \"{0}\" for \"--{1}\" flag: time: invalid duration \"{0}\"", text, flag));
  }
  if (*given < 0) throw UsageError(fmt::format("--{} cannot be negative", flag));
  if (*given == 0) return;  // as not given
  if (*given < kLeast) throw UsageError(fmt::format("{} in Healthcheck cannot be less than 1ms", field));
  value = *given;
}

void apply_retries(const std::string& text, int& retries) {
  if (text.empty()) return;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw UsageError(fmt::format("invalid argument \"{0}\" for \"--health-retries\" flag: strconv.ParseInt: parsing "
                                 "\"{0}\": invalid syntax",
                                 text));
  }
  if (number < 0) throw UsageError("--health-retries cannot be negative");
  if (number > 0) retries = number;
}

/// What the words of a test execute; nothing for NONE and for words that nobody knows.
std::vector<std::string> argv_of(const std::vector<std::string>& test, const Json* image_config) {
  if (test.size() < 2) return {};
  if (test[0] == "CMD") return {test.begin() + 1, test.end()};
  if (test[0] != "CMD-SHELL") return {};
  std::vector<std::string> shell;
  if (image_config != nullptr && image_config->contains("Shell")) shell = strings_of((*image_config)["Shell"]);
  if (shell.empty()) shell = {"/bin/sh", "-c"};
  shell.push_back(test[1]);
  return shell;
}

}  // namespace

container::HealthPlan plan_health(const HealthRequest& request, const Json* image_config) {
  container::HealthPlan plan;
  const bool has_flags = !request.command.empty() || !request.interval.empty() || !request.timeout.empty() ||
                         !request.start_period.empty() || !request.start_interval.empty() || !request.retries.empty();
  if (request.none) {
    if (has_flags) throw UsageError("--no-healthcheck conflicts with --health-* options");
    plan.test = {"NONE"};
    return plan;
  }
  if (image_config != nullptr) apply_image(*image_config, plan);
  if (!request.command.empty()) plan.test = {"CMD-SHELL", request.command};
  apply_duration(request.interval, "health-interval", "Interval", plan.interval);
  apply_duration(request.timeout, "health-timeout", "Timeout", plan.timeout);
  apply_duration(request.start_period, "health-start-period", "StartPeriod", plan.start_period);
  apply_duration(request.start_interval, "health-start-interval", "StartInterval", plan.start_interval);
  apply_retries(request.retries, plan.retries);
  plan.argv = argv_of(plan.test, image_config);
  return plan;
}

}  // namespace sandbox::engine
