// A Dockerfile's instructions with a type each. Words are as written: variables and quotes are replaced when it is
// known what they stand for (graph.h). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sandbox/build/tree.h"
#include "sandbox/build/words.h"

namespace sandbox::build {

/// RUN, CMD, ENTRYPOINT: for the shell (one word, the whole line), or as it is.
struct CommandLine {
  std::vector<std::string> words;
  bool shell = false;
};

struct From {
  Word image;
  std::string platform, name;  ///< name: in lower case; empty: none.
};
struct Arg {
  struct Variable {
    std::string name;
    std::optional<std::string> value;
    Place place;
  };
  std::vector<Variable> variables;
};
struct Env {
  std::vector<Assignment> assignments;
};
struct Label {
  std::vector<Assignment> assignments;
};
/// RUN --mount
struct MountWord {
  std::string text;  ///< "type=cache,target=/root/.npm"
  Place place;
};
struct Run {
  CommandLine command;
  std::vector<MountWord> mounts;
  std::string network;  ///< "default", "none", "host"; empty: as the build says.
};
struct Copy {
  bool add = false;
  std::vector<Word> sources;  ///< Without those that are here-documents.
  std::vector<Heredoc> files;
  Word destination;
  std::string from, chown, chmod, checksum;
  std::vector<std::string> excludes;
  bool link = false, parents = false;
  std::optional<bool> unpack, keep_git_dir;  ///< ADD
};
struct Command {
  bool entrypoint = false;
  CommandLine line;
};
struct Expose {
  std::vector<Word> ports;
};
struct Volume {
  std::vector<Word> paths;
};
struct User {
  Word user;
};
struct WorkDir {
  Word path;
};
struct StopSignal {
  Word signal;
};
struct Shell {
  std::vector<std::string> words;
};
/// Durations in nanoseconds, 0: the default.
struct HealthCheck {
  std::vector<std::string> test;  ///< {"NONE"}, {"CMD", …} or {"CMD-SHELL", line}
  std::int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;
  std::int64_t retries = 0;
};
struct OnBuild {
  std::string trigger;  ///< "RUN make", with its here-documents behind it.
};
struct Maintainer {
  std::string name;
};

using Action = std::variant<From, Arg, Env, Label, Run, Copy, Command, Expose, Volume, User, WorkDir, StopSignal, Shell,
                            HealthCheck, OnBuild, Maintainer>;

struct Instruction {
  Action action;
  std::string original;  ///< "RUN make", on one line.
  std::vector<Heredoc> heredocs;
  Place place;
  std::size_t last_line = 0;
};

/// Throws Mistake.
Instruction parse_instruction(const Node& node, char escape);
/// A trigger of a base image's config. Throws Mistake.
Instruction parse_trigger(const std::string& text);

/// "1m30s" in nanoseconds, as Go's time.ParseDuration. None when it isn't one.
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace sandbox::build
