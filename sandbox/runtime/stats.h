// What a container uses, as `events` tells it: the document of runc, whose readers expect the terms of cgroup v1.
#pragma once

#include <functional>
#include <string>

#include "sandbox/base/json_fwd.h"

namespace sandbox::runtime {

/// `text(file)`: the text of a file of the container's cgroup, empty when there is none. Controllers that are not
/// enabled there count nothing. Pure.
OrderedJson stats_document(const std::string& id,
                                      const std::function<std::string(const std::string&)>& text);

/// "500ms", "5s", "1m30s", as Go writes durations, in milliseconds. Throws UsageError when it is none above zero.
int parse_interval(const std::string& word);

}  // namespace sandbox::runtime
