# Writes OUTPUT, a C++ file with the bytes of profiles/seccomp/default.json and of the named profiles NAMES, which lie
# in SOURCE. Arrays of characters, since string literals are limited in length.
#   cmake -DSOURCE=… -DNAMES=a,b -DOUTPUT=… -P embed.cmake
function(bytes_of file result)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  set(${result} "${bytes}" PARENT_SCOPE)
endfunction()

bytes_of(${SOURCE}/seccomp/default.json seccomp)
string(REPLACE "," ";" names "${NAMES}")
foreach(name ${names})
  bytes_of(${SOURCE}/${name}.json bytes)
  string(APPEND arrays "constexpr char profile_${name}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${name}\", {profile_${name}, sizeof(profile_${name})}},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made by profiles/embed.cmake.
#include \"profiles/named_profile.h\"
#include \"profiles/seccomp.h\"

namespace sandbox::profiles {
namespace {
constexpr char seccomp[] = {${seccomp}};
${arrays}constexpr ShippedProfile shipped[] = {
${rows}};
}

std::string_view default_seccomp_profile() { return {seccomp, sizeof(seccomp)}; }
std::span<const ShippedProfile> shipped_profiles() { return shipped; }

}  // namespace sandbox::profiles
")
