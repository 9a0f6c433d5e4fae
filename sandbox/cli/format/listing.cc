// See listing.h.
#include "sandbox/cli/format/listing.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/template/template.h"

namespace sandbox::cli {
namespace {

constexpr std::string_view kTable = "table";

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == text.npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

/// Users write "\t" and "\n" in words that no shell expands.
std::string expanded(std::string text) {
  for (const auto& [escape, meant] : {std::pair{"\\t", "\t"}, std::pair{"\\n", "\n"}}) {
    for (std::size_t at = 0; (at = text.find(escape, at)) != text.npos; ++at) text.replace(at, 2, meant);
  }
  return text;
}

/// Docker prints as much of the header as can be made.
std::string header_line(const templates::Template& text, const templates::Record& header) {
  std::string line;
  try {
    text.execute_into(line, templates::Value(header), {.header = true});
  } catch (const InvalidInput&) {  // of a header only: the rows tell what is wrong
  }
  return line + "\n";
}

}  // namespace

std::string chosen_format(const FormatChoice& choice) {
  if (choice.format == "raw" && !choice.raw.empty()) return std::string(choice.raw);
  if (choice.quiet && (choice.format != "json")) return "{{.ID}}";
  if (choice.format.empty() || choice.format == kTable) return fmt::format("{} {}", kTable, choice.table);
  return choice.format;
}

std::string render_records(const std::string& format, const templates::Record& header,
                           std::span<const std::unique_ptr<templates::Record>> rows) {
  const bool table = format.starts_with(kTable);
  std::string source = format == "json" ? "{{json .}}" : table ? format.substr(kTable.size()) : format;
  try {
    const templates::Template text(expanded(trimmed(source)));
    std::string lines = table ? header_line(text, header) : "";
    for (const auto& row : rows) lines += text.execute(templates::Value(*row)) + "\n";
    return table ? aligned(lines) : lines;
  } catch (const InvalidInput& error) {
    throw InvalidInput(fmt::format("template parsing error: {}", error.what()));
  }
}

std::string detail::label_header(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  std::string header(dot == name.npos ? name : name.substr(dot + 1));
  std::ranges::replace_if(header, [](char c) { return c == '-' || c == '_'; }, ' ');
  return header;
}

OrderedJson detail::cell(const std::string& text) { return one_cell(text); }

}  // namespace sandbox::cli
