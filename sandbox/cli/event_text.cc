// See event_text.h.
#include "sandbox/cli/event_text.h"

#include <time.h>

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/template.h"

namespace sandbox::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::string attribute(const Event& event, const char* name) {
  const auto found = event.attributes.find(name);
  return found == event.attributes.end() ? std::string() : found->second;
}

/// RFC 3339 with nine digits, in the local time zone: "2026-11-26T23:40:00.000000000Z", "…+01:00".
std::string time_text(std::int64_t nanoseconds) {
  const time_t seconds = static_cast<time_t>(nanoseconds / kSecond);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  char date[64], zone[16];
  ::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
  ::strftime(zone, sizeof zone, "%z", &parts);
  std::string text = fmt::format("{}.{:09}", date, nanoseconds % kSecond);
  if (parts.tm_gmtoff == 0) return text + "Z";
  return text + std::string(zone, 3) + ":" + std::string(zone + 3);
}

std::string plain_line(const Event& event) {
  std::string text = fmt::format("{} {} {} {}", time_text(event.time), event.type, event.action, event.id);
  std::string attributes;
  for (const auto& [name, value] : event.attributes) {
    attributes += fmt::format("{}{}={}", attributes.empty() ? "" : ", ", name, value);
  }
  if (!attributes.empty()) text += fmt::format(" ({})", attributes);
  return one_cell(text) + "\n";
}

OrderedJson actor_of(const Event& event) {
  return {{"ID", event.id}, {"Attributes", event.attributes}};
}

/// For clients of before API 1.22: of what there was then.
bool is_in_old_form(const Event& event) { return event.type == "container" || event.type == "image"; }

/// What Docker's API says: the members of Go's events.Message under their JSON names.
OrderedJson document_of(const Event& event) {
  OrderedJson document = OrderedJson::object();
  if (is_in_old_form(event)) {
    document["status"] = event.action;
    document["id"] = event.id;
    if (event.type == "container") document["from"] = attribute(event, "image");
  }
  document["Type"] = event.type;
  document["Action"] = event.action;
  document["Actor"] = actor_of(event);
  document["scope"] = "local";
  document["time"] = event.time / kSecond;
  document["timeNano"] = event.time;
  return document;
}

/// The same for templates, which know Go's names.
class EventRecord final : public templates::Record {
 public:
  explicit EventRecord(const Event& event) : event_(event) {}

  std::optional<std::size_t> parameters(std::string_view name) const override {
    return fields().contains(name) ? std::optional<std::size_t>(0) : std::nullopt;
  }
  OrderedJson call(std::string_view name, const std::string&) const override { return fields()[std::string(name)]; }
  OrderedJson all() const override { return document_of(event_); }
  std::string_view type() const override { return "*events.Message"; }

 private:
  OrderedJson fields() const {
    const bool old = is_in_old_form(event_);
    return {{"Status", old ? event_.action : ""},
            {"ID", old ? event_.id : ""},
            {"From", event_.type == "container" ? attribute(event_, "image") : ""},
            {"Type", event_.type},
            {"Action", event_.action},
            {"Actor", actor_of(event_)},
            {"Scope", "local"},
            {"Time", event_.time / kSecond},
            {"TimeNano", event_.time}};
  }

  const Event& event_;
};

bool begins_or_is(const std::string& text, const std::string& wanted) {
  return !text.empty() && !wanted.empty() && text.starts_with(wanted);
}

bool is_of_container(const Event& event, const std::string& wanted) {
  return event.type == "container" && (begins_or_is(event.id, wanted) || attribute(event, "name") == wanted);
}

std::string without_tag(const std::string& image) {
  const auto colon = image.rfind(':');
  return colon == std::string::npos || image.find('/', colon) != std::string::npos ? image : image.substr(0, colon);
}

bool is_of_image(const Event& event, const std::string& wanted) {
  const std::string image = event.type == "image" ? attribute(event, "name") : attribute(event, "image");
  const bool by_id = event.type == "image" && begins_or_is(event.id, wanted);
  return by_id || image == wanted || (!image.empty() && without_tag(image) == wanted);
}

bool is_of_network(const Event& event, const std::string& wanted) {
  return event.type == "network" && (begins_or_is(event.id, wanted) || begins_or_is(attribute(event, "name"), wanted));
}

/// "exec_start" is also "exec_start: sh -c true", and "health_status" each of its words.
bool is_action(const Event& event, const std::string& wanted) {
  return event.action == wanted || event.action.substr(0, event.action.find(':')) == wanted;
}

}  // namespace

bool is_wanted(const Event& event, const Filters& filters) {
  return filters.any("type", [&](const auto& value) { return event.type == value; }) &&
         filters.any("event", [&](const auto& value) { return is_action(event, value); }) &&
         filters.any("scope", [&](const auto& value) { return value == "local"; }) &&
         filters.any("container", [&](const auto& value) { return is_of_container(event, value); }) &&
         filters.any("image", [&](const auto& value) { return is_of_image(event, value); }) &&
         filters.any("network", [&](const auto& value) { return is_of_network(event, value); }) &&
         filters.any("volume", [&](const auto& value) { return event.type == "volume" && event.id == value; }) &&
         filters.labels_fit(event.attributes);
}

void check_event_format(const std::string& format) { (void)event_line({"container", "start", "", {}, 0}, format); }

std::string event_line(const Event& event, const std::string& format) {
  if (format.empty()) return plain_line(event);
  if (format == "json") return json_for_terminals(document_of(event), -1) + "\n";
  try {
    const EventRecord record(event);
    const templates::Options options{.shown = without_controls};
    return templates::Template(format).execute(templates::Value(record), options) + "\n";
  } catch (const InvalidInput& error) {
    throw InvalidInput(fmt::format("template parsing error: {}", error.what()));
  }
}

}  // namespace sandbox::cli
