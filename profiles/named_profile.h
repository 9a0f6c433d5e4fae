// Named profiles: bundles of options of `run` in a JSON file (profiles/schema.json). Pure.
#pragma once

#include <sys/types.h>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/base/json_fwd.h"

namespace sandbox::profiles {

/// flag: true or false. value: a word or a number. list: each of `values` is given by itself.
enum class OptionKind { flag, value, list };

struct ProfileOption {
  std::string name;  ///< Without "--".
  OptionKind kind = OptionKind::value;
  std::vector<std::string> values;  ///< One, unless it is a list.
};

struct NamedProfile {
  std::string name;
  std::string file;         ///< For messages, and what ${profile} lies in; empty: shipped.
  std::string description;  ///< A line.
  std::string base;         ///< The profile that this one changes; empty: none.
  std::vector<ProfileOption> options;
};

struct ShippedProfile {
  std::string_view name, text;
};
std::span<const ShippedProfile> shipped_profiles();

/// Throws InvalidInput naming the file and the key of what is not as profiles/schema.json says. `file`: empty for a
/// shipped one.
NamedProfile parse_named_profile(std::string_view text, const std::string& name, const std::string& file);

/// "profile 'x' (/path/x.json)", for messages.
std::string title_of(const NamedProfile& profile);

/// What placeholders and patterns stand for.
struct ProfileHost {
  std::string directory, home;  ///< The current one, and the user's.
  uid_t uid = 0;
  gid_t gid = 0;
  std::map<std::string, std::string> environment;
  std::map<std::string, std::vector<std::string>> devices;  ///< For each pattern, those that the user may open.
};

struct OptionWord {
  std::string name, value;

  bool operator==(const OptionWord&) const = default;
};

/// The values of the option "device" that are patterns (glob(7)): they stand for the devices that the user may open.
std::vector<std::string> device_patterns(const NamedProfile& profile);

/// The options as words of a command line. Left out is what names a variable that is not set, and what was there
/// already. Throws InvalidInput for an unknown placeholder.
std::vector<OptionWord> option_words(const NamedProfile& profile, const ProfileHost& host);

}  // namespace sandbox::profiles
