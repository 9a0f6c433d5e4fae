// See document.h.
#include "sandbox/cli/format/document.h"

#include "sandbox/base/error.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/template.h"

namespace sandbox::cli {

std::string render_document(const OrderedJson& document, const std::string& format) {
  if (format == "json") return json_for_terminals(document, -1) + "\n";
  try {
    const templates::Options options{.missing_is_error = true, .shown = without_controls};
    return templates::Template(format).execute(templates::Value::of(document), options) + "\n";
  } catch (const InvalidInput& error) {
    throw InvalidInput(fmt::format("template parsing error: {}", error.what()));
  }
}

}  // namespace sandbox::cli
