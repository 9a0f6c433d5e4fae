// The table of all commands, with Docker's groups of them, and how words name one. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sandbox/cli/command.h"

namespace sandbox::cli {

/// A further name of a command, in a group. The first one in a group is the one that help shows.
struct Alias {
  std::string_view name;
  const Command* command;
};

struct Group {
  std::string_view name, summary;
};

/// A command, and the words that it was called by.
struct Named {
  const Command* command = nullptr;
  std::string name;
  std::size_t words = 0;
};

std::span<const Command* const> commands();
std::span<const Alias> aliases();
std::span<const Group> groups();

/// What the first words name; no command: nothing does.
Named find_command(std::span<const std::string> words);
/// nullptr: there is none.
const Group* find_group(std::string_view name);
/// The commands of a group, sorted by the rest of their names.
std::vector<std::pair<std::string_view, const Command*>> commands_of(std::string_view group);
/// All words that may stand first.
std::vector<std::string_view> top_names();

/// As Docker's help and errors name us: the name that was called, if that is Docker's.
std::string_view program();

/// `__complete WORDS`: one candidate a line, with what it means after a tab; ":files" where file names may stand.
int complete_main(std::span<char* const> words);

}  // namespace sandbox::cli
