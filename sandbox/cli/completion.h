// What may follow the words on a command line: made from the table of commands and the words of its help. Pure.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sandbox::cli {

/// What a command's arguments name.
enum class Names { containers, running_containers, images, networks, profiles, secrets, volumes };

struct Candidate {
  std::string word, summary;
};
struct Candidates {
  std::vector<Candidate> words;  ///< Those that begin with what is there.
  bool files = false;            ///< The shell knows best.
};

/// `words`: after the program's name; the last one is being typed, and may be empty. `list` tells what there is.
Candidates complete(std::span<const std::string> words, const std::function<std::vector<std::string>(Names)>& list);

/// The script that has a shell ask `program` for it. Throws UsageError for another shell than bash, zsh or fish.
std::string completion_script(std::string_view shell, std::string_view program);

}  // namespace sandbox::cli
