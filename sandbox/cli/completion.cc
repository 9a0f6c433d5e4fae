// See completion.h.
#include "sandbox/cli/completion.h"

#include <algorithm>

#include "sandbox/base/error.h"
#include "sandbox/cli/command_table.h"
#include "sandbox/cli/container_filters.h"

namespace sandbox::cli {
namespace {

/// "(none|private|host)" in the help of an option: its values.
std::vector<std::string> choices_in(std::string_view help) {
  std::vector<std::string> choices;
  const std::size_t open = help.find('('), close = help.find(')', open);
  if (close == help.npos) return choices;
  std::string_view inside = help.substr(open + 1, close - open - 1);
  if (inside.find('|') == inside.npos || inside.find_first_of(" <[:") != inside.npos) return choices;
  for (std::size_t bar = 0; (bar = inside.find('|')) != inside.npos; inside.remove_prefix(bar + 1)) {
    choices.emplace_back(inside.substr(0, bar));
  }
  choices.emplace_back(inside);
  return choices;
}

class Completer {
 public:
  Completer(std::span<const std::string> words, const std::function<std::vector<std::string>(Names)>& list)
      : list_(list), typed_(words.empty() ? std::string() : words.back()) {
    if (!words.empty()) before_ = words.first(words.size() - 1);
  }

  Candidates run() {
    const Named named = find_command(before_);
    if (named.command != nullptr) {
      after(*named.command, before_.subspan(named.words));
    } else if (before_.empty()) {
      top();
    } else if (before_.size() == 1) {
      for (const auto& [name, command] : commands_of(before_[0])) offer(name, command->summary);
    }
    return std::move(found_);
  }

 private:
  void offer(std::string_view word, std::string_view summary = {}) {
    if (word.starts_with(typed_)) found_.words.push_back({std::string(word), std::string(summary)});
  }
  void offer_all(Names kind) {
    for (const std::string& name : list_(kind)) offer(name);
  }

  void top() {
    for (const Command* command : commands()) {
      if (std::string_view(command->name).find(' ') == std::string_view::npos) offer(command->name, command->summary);
    }
    for (const Group& group : groups()) offer(group.name, group.summary);
    offer("help", "Help about a command");
    offer("oci", "Act as an OCI runtime for engines and schedulers");
  }

  /// The option that `word` is, if its value is the next word.
  static const Option* awaiting(const Command& command, std::string_view word) {
    if (!word.starts_with('-') || word.find('=') != word.npos) return nullptr;
    for (const Option& option : command.options) {
      const bool is_long = word.starts_with("--") && word.substr(2) == option.name;
      const bool is_short = !word.starts_with("--") && word.size() > 1 && word.back() == option.short_name;
      if ((is_long || is_short) && option.metavar != nullptr) return &option;
    }
    return nullptr;
  }

  void after(const Command& command, std::span<const std::string> given) {
    std::vector<std::string> positional;
    bool options_end = false;
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (options_end || !given[i].starts_with('-') || given[i] == "-") {
        positional.push_back(given[i]);
        options_end = options_end || !command.interspersed;
      } else if (given[i] == "--") {
        options_end = true;
      } else if (const Option* option = awaiting(command, given[i]); option != nullptr) {
        if (i + 1 == given.size()) return value_of(command, *option);
        ++i;
      }
    }
    if (!options_end && typed_.starts_with('-')) return flags(command);
    argument(command, positional);
  }

  void flags(const Command& command) {
    for (const Option& option : command.options) offer(fmt::format("--{}", option.name), option.help);
    offer("--help", "Print usage");
  }

  void value_of(const Command& command, const Option& option) {
    const std::string_view name = option.name;
    for (const std::string& choice : choices_in(option.help)) offer(choice);
    if (name == "filter" && std::string_view(command.name) == "ps") {
      for (const std::string_view filter : kContainerFilters) offer(fmt::format("{}=", filter));
    }
    static constexpr std::string_view files[] = {"cidfile", "env-file", "input",   "output",     "file",
                                                 "rootfs",  "volume",   "iidfile", "label-file", "authfile"};
    if (std::ranges::find(files, name) != std::end(files)) found_.files = true;
    if (name == "volume") offer_all(Names::volumes);
    if (name == "network" && std::string_view(command.name) != "build") offer_all(Names::networks);
    if (name == "secret" && std::string_view(command.name) != "build") offer_all(Names::secrets);
    if (name == "profile") offer_all(Names::profiles);
    if (name == "format") offer("json"), offer("table");
  }

  /// By the command's usage: "commit [OPTIONS] CONTAINER [IMAGE]". What may be repeated goes on; a program's own words
  /// are files.
  void argument(const Command& command, const std::vector<std::string>& positional) {
    std::vector<std::string_view> places;
    std::string_view usage = std::string_view(command.usage).substr(std::string_view(command.name).size());
    usage = usage.substr(0, usage.find('\n'));  // of several forms the first
    bool repeats = false;
    while (!usage.empty()) {
      const std::size_t end = std::min(usage.find(' '), usage.size());
      std::string_view word = usage.substr(0, end);
      usage.remove_prefix(std::min(end + 1, usage.size()));
      while (word.starts_with('[')) word.remove_prefix(1);
      repeats = word.find("...") != word.npos;
      word = word.substr(0, word.find_first_of("]."));
      if (!word.empty() && word != "OPTIONS") places.push_back(word);
    }
    if (places.empty() || (positional.size() >= places.size() && !repeats)) return;
    const std::string_view place = places[std::min(positional.size(), places.size() - 1)];
    const std::size_t first_size = found_.words.size();
    name_for(command, place);
    // What is named already is not meant again.
    const auto is_given = [&](const Candidate& one) {
      return std::ranges::find(positional, one.word) != positional.end();
    };
    const auto begin = found_.words.begin() + static_cast<std::ptrdiff_t>(first_size);
    found_.words.erase(std::remove_if(begin, found_.words.end(), is_given), found_.words.end());
  }

  void name_for(const Command& command, std::string_view place) {
    static constexpr std::string_view of_running[] = {"exec", "stop",  "kill",    "attach",
                                                      "top",  "pause", "unpause", "port"};
    const bool running = std::ranges::find(of_running, std::string_view(command.name)) != std::end(of_running);
    if (place.starts_with("CONTAINER:")) {
      for (const std::string& name : list_(Names::containers)) offer(name + ":");
      found_.files = true;
      return;
    }
    if (place == "CONTAINER") return offer_all(running ? Names::running_containers : Names::containers);
    if (place.starts_with("IMAGE") || place.starts_with("SOURCE_IMAGE") || place.starts_with("REPOSITORY") ||
        place.starts_with("NAME["))
      return offer_all(Names::images);
    if (place == "NETWORK") return offer_all(Names::networks);
    if (place == "VOLUME") return offer_all(Names::volumes);
    if (place == "SECRET") return offer_all(Names::secrets);
    if (place == "PROFILE") return offer_all(Names::profiles);
    if (place == "NAME|ID" || place == "NAME") {
      offer_all(Names::containers);
      return offer_all(Names::images);
    }
    if (place.find('|') != place.npos && place.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == place.npos) {
      for (const auto& choice : choices_in(fmt::format("({})", place))) offer(choice);
      return;
    }
    found_.files = true;
  }

  const std::function<std::vector<std::string>(Names)>& list_;
  std::string typed_;
  std::span<const std::string> before_;
  Candidates found_;
};

// In the scripts PROGRAM stands for the program's name. Aliases of it are followed: alias docker=sandbox.

constexpr std::string_view kBash = R"(# Completion for bash: source <(PROGRAM completion bash)
_sandbox() {
  local program=${COMP_WORDS[0]} line=${COMP_LINE:0:COMP_POINT} word summary
  local -a words
  # Not from COMP_WORDS, where bash has made words of their own of the ":" and "=" in ours.
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  program=${BASH_ALIASES[$program]:-$program}
  local current=${words[-1]}
  local kept=${current%"${current##*[:=]}"}
  COMPREPLY=()
  while IFS=$'\t' read -r word summary; do
    if [[ $word == :files ]]; then
      compopt -o filenames 2>/dev/null
      COMPREPLY+=($(compgen -f -- "${current#"$kept"}"))
    else
      COMPREPLY+=("${word#"$kept"}")
    fi
  done < <("$program" __complete "${words[@]:1}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _sandbox PROGRAM
if [[ -n ${BASH_ALIASES[docker]-} ]]; then complete -F _sandbox docker; fi
)";

constexpr std::string_view kZsh = R"(#compdef PROGRAM
# Completion for zsh: source <(PROGRAM completion zsh), or as a file _PROGRAM in a directory of $fpath
_sandbox() {
  local word summary files=
  local -a shown
  while IFS=$'\t' read -r word summary; do
    if [[ $word == :files ]]; then files=1
    else shown+=("${word//:/\\:}${summary:+:$summary}")
    fi
  done < <(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  (( ${#shown} )) && _describe -V sandbox shown
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _PROGRAM ]]; then _sandbox "$@"; else compdef _sandbox PROGRAM; fi
)";

constexpr std::string_view kFish = R"(# Completion for fish: PROGRAM completion fish | source
function __sandbox_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c PROGRAM -f -a '(__sandbox_complete)'
)";

}  // namespace

Candidates complete(std::span<const std::string> words, const std::function<std::vector<std::string>(Names)>& list) {
  return Completer(words, list).run();
}

std::string completion_script(std::string_view shell, std::string_view program) {
  const std::string_view script = shell == "bash" ? kBash : shell == "zsh" ? kZsh : shell == "fish" ? kFish : "";
  if (script.empty()) throw UsageError(fmt::format("unknown shell: {}", shell), "shells: bash, zsh, fish");
  constexpr std::string_view word = "PROGRAM";
  std::string text(script);
  for (std::size_t at = 0; (at = text.find(word, at)) != text.npos; at += program.size())
    text.replace(at, word.size(), program);
  return text;
}

}  // namespace sandbox::cli
