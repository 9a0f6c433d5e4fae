// Named profiles: where they are, and what one comes to as words of `run`. Runs in the client.
#pragma once

#include <string>
#include <vector>

#include "profiles/named_profile.h"

namespace sandbox::engine {

/// The profile `name` with what it is built on, that first. One of the user's (in ~/.config/sandbox/profiles) goes
/// before a shipped one of its name, which it may extend. A name with a slash is a file. Throws NotFound, InvalidInput.
std::vector<profiles::NamedProfile> find_profile(const std::string& name);

/// The names that there are, sorted.
std::vector<std::string> profile_names();

/// Of this process, with the devices that `chain` asks for and the user may open.
profiles::ProfileHost profile_host(const std::vector<profiles::NamedProfile>& chain);

/// `lower` under `upper`: of options with one value the last word counts anyway. Left out of `lower` is what `upper`
/// contradicts: a mount at the same place, a capability the other way, a filter of system calls. Pure but for relative
/// paths of mounts. Throws UsageError for a mount that is none.
std::vector<profiles::OptionWord> override_words(std::vector<profiles::OptionWord> lower,
                                                 const std::vector<profiles::OptionWord>& upper);

}  // namespace sandbox::engine
