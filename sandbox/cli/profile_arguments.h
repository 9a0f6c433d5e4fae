// --profile: a named profile's options as if they stood before those of the command line.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "profiles/named_profile.h"
#include "sandbox/cli/options.h"

namespace sandbox::cli {

/// The words of a chain of profiles, what they are built on first, under those that were given. `options`: the
/// command's. Throws UsageError naming the profile and the key for an option that `command` doesn't have, or that takes
/// no such value. Pure but for relative paths of mounts.
Arguments under(const Arguments& given, const std::vector<profiles::NamedProfile>& chain,
                const profiles::ProfileHost& host, std::span<const Option> options, std::string_view command);

/// Whether each of several values of the option counts.
bool may_repeat(const Option& option);

/// What was given, over the profile that --profile names, if it names one. Throws NotFound, InvalidInput, UsageError.
Arguments with_profile(const Arguments& given, std::span<const Option> options, std::string_view command);

}  // namespace sandbox::cli
