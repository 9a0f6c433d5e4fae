// Text for people's eyes: what may quote strangers, Go's quotation, widths and columns. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "sandbox/base/json_fwd.h"

namespace sandbox::cli {

/// Text that may quote strangers, safe for a terminal: characters that command it (but newline and tab) or turn the
/// direction of writing become "\\x1b".
std::string without_controls(std::string_view text);
/// The same for a cell of a table: newlines and tabs, which would make cells of their own, become spaces.
std::string one_cell(std::string_view text);

/// JSON, indented by `indent` or on one line (-1). Where strings hold characters that command a terminal, everything
/// beyond ASCII is written as "\\u009b".
std::string json_for_terminals(const Json& document, int indent = 4);
std::string json_for_terminals(const OrderedJson& document, int indent = 4);

/// As Go's strconv.Quote.
std::string go_quoted(std::string_view text);

/// The next character of UTF-8 `text`, which loses it; U+FFFD for a byte that begins none.
char32_t next_character(std::string_view& text);
void append_character(std::string& text, char32_t character);
/// Number of characters.
std::size_t characters_in(std::string_view text);

/// Cut to `width` columns of a terminal with "…" as the last one; East Asian wide characters take two.
std::string ellipsis(const std::string& text, std::size_t width);

struct Spacing {
  std::size_t minimum_width = 10, padding = 3;
};
/// Tab-terminated cells in columns, as Go's tabwriter lays them out: adjacent lines share a column, and what follows a
/// line's last tab belongs to none.
std::string aligned(std::string_view text, const Spacing& spacing = {});

}  // namespace sandbox::cli
