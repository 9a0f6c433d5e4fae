# Writes OUTPUT, a C++ file whose default_seccomp_profile() returns the bytes of INPUT. An array of
# characters, since string literals are limited in length.
#   cmake -DINPUT=… -DOUTPUT=… -P embed.cmake
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "// Made by profiles/embed.cmake.
#include \"profiles/seccomp.h\"

namespace sandbox::profiles {
namespace {
constexpr char profile[] = {${bytes}};
}

std::string_view default_seccomp_profile() { return {profile, sizeof(profile)}; }

}  // namespace sandbox::profiles
")
