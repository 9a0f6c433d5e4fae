// See text.h.
#include "sandbox/cli/format/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "sandbox/base/json.h"

namespace sandbox::cli {
namespace {

/// The size of the character at the beginning of UTF-8 `text` if it commands a terminal or turns the direction of what
/// follows, else 0: U+0000 to U+001F and U+007F to U+009F; U+061C, U+200E and U+200F, U+202A to U+202E, U+2066 to
/// U+2069.
std::size_t control_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  if (byte(0) < 0x20 || byte(0) == 0x7F) return 1;
  if (byte(0) == 0xC2 && byte(1) >= 0x80 && byte(1) < 0xA0) return 2;
  if (byte(0) == 0xD8 && byte(1) == 0x9C) return 2;
  if (byte(0) != 0xE2) return 0;
  const bool marks = byte(1) == 0x80 && (byte(2) == 0x8E || byte(2) == 0x8F || (byte(2) >= 0xAA && byte(2) <= 0xAE));
  const bool isolates = byte(1) == 0x81 && byte(2) >= 0xA6 && byte(2) <= 0xA9;
  return marks || isolates ? 3 : 0;
}

template <class Document>
std::string dumped(const Document& document, int indent) {
  const auto replace = Document::error_handler_t::replace;
  const std::string text = document.dump(indent, ' ', false, replace);
  // Of what is no string only the line ends are controls; in strings JSON has escaped those below U+0020.
  const bool plain = [&] {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\n' && control_size(std::string_view(text).substr(i, 3)) > 0) return false;
    }
    return true;
  }();
  if (plain) return text;
  std::string escaped;
  for (const char c : document.dump(indent, ' ', true, replace)) {
    if (c == 0x7F)
      escaped += "\\u007f";  // the one control that JSON leaves alone
    else
      escaped += c;
  }
  return escaped;
}

/// First and last of a range of characters.
struct Range {
  char32_t first, last;
};

bool is_among(std::span<const Range> ranges, char32_t character) {
  const auto after = std::ranges::upper_bound(ranges, character, {}, &Range::first);
  return after != ranges.begin() && character <= std::prev(after)->last;
}

/// East_Asian_Width W or F (Unicode, EastAsianWidth.txt), to the block: two columns.
bool is_wide(char32_t character) {
  static constexpr Range wide[] = {
      {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},   {0x23F0, 0x23F0},
      {0x23F3, 0x23F3},   {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267F, 0x267F},
      {0x2693, 0x2693},   {0x26A1, 0x26A1},   {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},
      {0x26CE, 0x26CE},   {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F3},   {0x26F5, 0x26F5},
      {0x26FA, 0x26FA},   {0x26FD, 0x26FD},   {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},
      {0x274C, 0x274C},   {0x274E, 0x274E},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},
      {0x27B0, 0x27B0},   {0x27BF, 0x27BF},   {0x2B1B, 0x2B1C},   {0x2B50, 0x2B50},   {0x2B55, 0x2B55},
      {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0xA4C6},   {0xA960, 0xA97C},
      {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE10, 0xFE19},   {0xFE30, 0xFE6B},   {0xFF01, 0xFF60},
      {0xFFE0, 0xFFE6},   {0x16FE0, 0x18CFF}, {0x1AFF0, 0x1B2FF}, {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF},
      {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F320}, {0x1F32D, 0x1F335}, {0x1F337, 0x1F37C},
      {0x1F37E, 0x1F393}, {0x1F3A0, 0x1F3CA}, {0x1F3CF, 0x1F3D3}, {0x1F3E0, 0x1F3F0}, {0x1F3F4, 0x1F3F4},
      {0x1F3F8, 0x1F43E}, {0x1F440, 0x1F440}, {0x1F442, 0x1F4FC}, {0x1F4FF, 0x1F53D}, {0x1F54B, 0x1F54E},
      {0x1F550, 0x1F567}, {0x1F57A, 0x1F57A}, {0x1F595, 0x1F596}, {0x1F5A4, 0x1F5A4}, {0x1F5FB, 0x1F64F},
      {0x1F680, 0x1F6C5}, {0x1F6CC, 0x1F6CC}, {0x1F6D0, 0x1F6D2}, {0x1F6D5, 0x1F6DF}, {0x1F6EB, 0x1F6EC},
      {0x1F6F4, 0x1F6FC}, {0x1F7E0, 0x1F7F0}, {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945}, {0x1F947, 0x1F9FF},
      {0x1FA70, 0x1FAFF}, {0x20000, 0x2FFFD}, {0x30000, 0x3FFFD}};
  return is_among(wide, character);
}

/// What Go's strconv.IsPrint refuses beyond ASCII, as far as text in the field has it: spaces but U+0020, format
/// characters, surrogates, private use, noncharacters.
bool is_printable(char32_t character) {
  static constexpr Range hidden[] = {{0x00, 0x1F},     {0x7F, 0xA0},     {0xAD, 0xAD},       {0x600, 0x605},
                                     {0x61C, 0x61C},   {0x6DD, 0x6DD},   {0x70F, 0x70F},     {0x1680, 0x1680},
                                     {0x180E, 0x180E}, {0x2000, 0x200F}, {0x2028, 0x202F},   {0x205F, 0x206F},
                                     {0x3000, 0x3000}, {0xD800, 0xF8FF}, {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},
                                     {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, {0xE0000, 0xE00FF}, {0xE01F0, 0x10FFFF}};
  return !is_among(hidden, character);
}

/// tabwriter's text/tabwriter.go, Writer.format: a column is a block of adjacent lines that have a cell in it.
class Columns {
 public:
  Columns(std::string_view text, const Spacing& spacing) : spacing_(spacing) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      lines_.push_back(cells_of(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  std::string laid_out() {
    // Column by column, so that nothing is as deep as a line is wide.
    widths_.resize(lines_.size());
    for (std::size_t column = 0; settle(column);) ++column;
    std::string text;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      for (std::size_t cell = 0; cell < lines_[i].size(); ++cell) {
        text += lines_[i][cell];
        if (cell + 1 < lines_[i].size()) text.append(widths_[i][cell] - characters_in(lines_[i][cell]), ' ');
      }
      text += '\n';
    }
    return text;
  }

 private:
  static std::vector<std::string_view> cells_of(std::string_view line) {
    std::vector<std::string_view> cells;
    for (std::size_t end = 0; (end = line.find('\t')) != std::string_view::npos; line.remove_prefix(end + 1)) {
      cells.push_back(line.substr(0, end));
    }
    cells.push_back(line);
    return cells;
  }

  bool has(std::size_t line, std::size_t column) const { return column + 1 < lines_[line].size(); }

  /// Decides the widths of one column's blocks. Returns false when no line has it.
  bool settle(std::size_t column) {
    bool any = false;
    for (std::size_t line = 0, end = 0; line < lines_.size(); line = std::max(end, line + 1)) {
      end = line;
      std::size_t width = spacing_.minimum_width;
      for (; end < lines_.size() && has(end, column); ++end) {
        width = std::max(width, characters_in(lines_[end][column]) + spacing_.padding);
      }
      for (std::size_t i = line; i < end; ++i) widths_[i].push_back(width);
      any |= end > line;
    }
    return any;
  }

  const Spacing& spacing_;
  std::vector<std::vector<std::string_view>> lines_;
  std::vector<std::vector<std::size_t>> widths_;
};

}  // namespace

std::string without_controls(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t control = text[0] == '\n' || text[0] == '\t' ? 0 : control_size(text);
    if (control == 0) result += text[0];
    for (std::size_t i = 0; i < control; ++i) result += fmt::format("\\x{:02x}", text[i] & 0xFF);
    text.remove_prefix(std::max<std::size_t>(control, 1));
  }
  return result;
}

std::string one_cell(std::string_view text) {
  std::string cell = without_controls(text);
  std::ranges::replace_if(cell, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return cell;
}

std::string json_for_terminals(const Json& document, int indent) { return dumped(document, indent); }
std::string json_for_terminals(const OrderedJson& document, int indent) { return dumped(document, indent); }

char32_t next_character(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t size = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  static constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  char32_t character = size < 2 ? lead : lead & (0x7FU >> size);
  bool valid = size > 0 && size <= text.size();
  for (std::size_t i = 1; valid && i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    valid = (next & 0xC0U) == 0x80;
    character = (character << 6U) | (next & 0x3FU);
  }
  valid = valid && character >= least[size] && character <= 0x10FFFF && (character < 0xD800 || character > 0xDFFF);
  text.remove_prefix(valid ? size : 1);
  return valid ? character : U'\uFFFD';
}

void append_character(std::string& text, char32_t character) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF)) character = 0xFFFD;
  if (character < 0x80) return put(character);
  if (character < 0x800) {
    put(0xC0U | (character >> 6U));
  } else {
    if (character < 0x10000) {
      put(0xE0U | (character >> 12U));
    } else {
      put(0xF0U | (character >> 18U));
      put(0x80U | ((character >> 12U) & 0x3FU));
    }
    put(0x80U | ((character >> 6U) & 0x3FU));
  }
  put(0x80U | (character & 0x3FU));
}

std::size_t characters_in(std::string_view text) {
  std::size_t count = 0;
  for (; !text.empty(); ++count) next_character(text);
  return count;
}

std::string go_quoted(std::string_view text) {
  static constexpr std::string_view named = "\a\b\f\n\r\t\v\\\"", letters = "abfnrtv\\\"";
  std::string quoted = "\"";
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t character = next_character(text);
    const std::string_view bytes = before.substr(0, before.size() - text.size());
    if (character == U'\uFFFD' && bytes.size() == 1) {
      quoted += fmt::format("\\x{:02x}", bytes[0] & 0xFF);
    } else if (const auto name = bytes.size() == 1 ? named.find(bytes[0]) : named.npos; name != named.npos) {
      (quoted += '\\') += letters[name];
    } else if (is_printable(character)) {
      quoted += bytes;
    } else {
      const auto number = static_cast<std::uint32_t>(character);
      if (number < 0x80)
        quoted += fmt::format("\\x{:02x}", number);
      else if (number < 0x10000)
        quoted += fmt::format("\\u{:04x}", number);
      else
        quoted += fmt::format("\\U{:08x}", number);
    }
  }
  return quoted + '"';
}

std::string ellipsis(const std::string& text, std::size_t width) {
  const auto columns = [](char32_t character) -> std::size_t { return is_wide(character) ? 2 : 1; };
  std::size_t used = 0, fits = 0;  // `fits`: bytes before the last column
  for (std::string_view rest = text; !rest.empty();) {
    used += columns(next_character(rest));
    if (used < width) fits = text.size() - rest.size();
    if (used > width) return text.substr(0, fits) + "…";
  }
  return text;
}

std::string aligned(std::string_view text, const Spacing& spacing) { return Columns(text, spacing).laid_out(); }

}  // namespace sandbox::cli
