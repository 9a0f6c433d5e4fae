// A named profile: reading, placeholders and patterns, and its words under those of a user.
#include "sandbox/engine/profile.h"

#include "target.h"

using namespace sandbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  fuzz::attempt([&] {
    const profiles::NamedProfile profile = profiles::parse_named_profile(text, "fuzz", "/dir/fuzz.json");
    profiles::ProfileHost host{.directory = "/work", .home = "/home/me", .environment = {{"A", "a:b"}}};
    for (const std::string& pattern : profiles::device_patterns(profile)) host.devices[pattern] = {"/dev/zero"};
    const auto words = profiles::option_words(profile, host);
    for (const auto& word : words) fuzz::require(word.name != "profile", "a profile names no further one");
    const std::vector<profiles::OptionWord> own{
        {"volume", "/mine:/a"}, {"cap-drop", "ALL"}, {"security-opt", "seccomp=/f"}};
    const auto merged = engine::override_words(words, own);
    fuzz::require(merged.size() >= own.size() && merged.size() <= words.size() + own.size(), "nothing is made up");
    fuzz::require(std::equal(own.rbegin(), own.rend(), merged.rbegin()), "the user's words are the last");
    for (const auto& word : merged) fuzz::require(word.name != "cap-add", "what is dropped is not added");
  });
  return 0;
}
