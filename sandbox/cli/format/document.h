// One document for `--format`: `info`, `version`. Pure.
#pragma once

#include <string>

#include "sandbox/base/json.h"

namespace sandbox::cli {

/// A line of JSON for the format "json", else what a template makes of the document, and a newline. Throws InvalidInput
/// "template parsing error: template: …", also for a member that the document doesn't have.
std::string render_document(const OrderedJson& document, const std::string& format);

}  // namespace sandbox::cli
