// Templates of users over documents of strangers. The input is a template, a zero byte, and JSON.
#include "sandbox/cli/template/template.h"

#include "sandbox/cli/format/text.h"
#include "target.h"

using namespace sandbox;
using namespace sandbox::cli;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::as_text(data, size), source = text.substr(0, text.find('\0'));
  OrderedJson document;
  fuzz::attempt([&] {
    if (source.size() < text.size()) document = parse_json(text.substr(source.size() + 1), "the input");
  });
  static constexpr templates::TypedMember types[] = {{"Labels", templates::GoType::map_of_strings},
                                                     {"Ports", templates::GoType::map},
                                                     {"Binds", templates::GoType::list}};
  for (const auto& options : {templates::Options{}, templates::Options{.missing_is_error = true, .types = types},
                              templates::Options{.header = true, .shown = without_controls}}) {
    fuzz::attempt([&] {
      const std::string made =
          templates::Template(std::string(source)).execute(templates::Value::of(document), options);
      if (options.shown == nullptr) fuzz::require(made.size() <= 16U << 20, "what is made is bounded");
      if (made.size() < 1U << 16) static_cast<void>(aligned(made));
    });
  }
  fuzz::require(characters_in(go_quoted(text)) >= 2, "a quotation has its marks");
  std::string unquoted;
  const bool is_literal = templates::unquote(go_quoted(text), unquoted);
  fuzz::require(is_literal && unquoted == text, "what is quoted is the same without quotes");
  fuzz::require(ellipsis(std::string(text), 20).size() <= text.size() + 3, "what is cut is no longer");
  return 0;
}
