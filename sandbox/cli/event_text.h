// Events as `events` selects and shows them (docker/cli cli/command/system/events.go). Pure.
#pragma once

#include <string>
#include <string_view>

#include "sandbox/base/events.h"
#include "sandbox/cli/filters.h"

namespace sandbox::cli {

inline constexpr std::string_view kEventFilters[] = {"container", "event", "image", "label",
                                                     "network",   "scope", "type",  "volume"};

bool is_wanted(const Event& event, const Filters& filters);

/// Throws InvalidInput "template parsing error: template: …".
void check_event_format(const std::string& format);
/// One line: Docker's without a format, or "json", or what a template makes of the event.
std::string event_line(const Event& event, const std::string& format);

}  // namespace sandbox::cli
