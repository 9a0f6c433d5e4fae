// The part of fmt that is no template, compiled once: header-only use would compile it into every file, and the shared
// library would be one more for the loader at each start of the program.
#include <fmt/format-inl.h>

namespace fmt::detail {

template FMT_API auto thousands_sep_impl<char>(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl(locale_ref) -> char;

}  // namespace fmt::detail
