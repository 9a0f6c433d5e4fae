// The client's outermost boundary: help, and what becomes of errors. Prints them in Docker's shape:
// "sandbox: <message>", with the remedy on a line of its own.
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <vector>

#include "sandbox/base/error.h"
#include "sandbox/cli/command_table.h"
#include "sandbox/cli/format/text.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/cli/suggestion.h"
#include "sandbox/container/supervisor.h"

namespace sandbox::cli {
namespace {

/// Before the command, as scripts write them for docker.
constexpr Option kGlobalOptions[] = {
    {"config", '\0', "string", "Location of client config files (default \"~/.docker\")"},
    {"context", 'c', "string", "Name of the context to use: there is \"default\" alone"},
    {"debug", 'D', nullptr, "Enable debug mode of the daemon: without one, nothing changes"},
    {"log-level", 'l', "string", "Set the logging level of the daemon: without one, nothing changes"},
    {"version", 'v', nullptr, "Print version information and quit"},
};
constexpr const char* kNoDaemon = "there is no daemon to connect to";
constexpr RefusedOption kRefusedGlobalOptions[] = {{"host", kNoDaemon},    {"tls", kNoDaemon},
                                                   {"tlscacert", kNoDaemon}, {"tlscert", kNoDaemon},
                                                   {"tlskey", kNoDaemon},    {"tlsverify", kNoDaemon}};

/// The usage line for that name.
std::string usage_of(const Named& named) {
  const std::string_view usage = named.command->usage, name = named.command->name;
  std::string line = fmt::format("{} {}{}", program(), named.name, usage.substr(name.size()));
  const std::string own = "\n\tsandbox ";  // before a second form
  if (const auto at = line.find(own); at != line.npos) line.replace(at, own.size(), fmt::format("\n\t{} ", program()));
  return line;
}

std::string usage_tail(const Named& named) {
  return fmt::format("\n\nUsage:  {}\n\nRun '{} {} --help' for more information", usage_of(named), program(),
                     named.name);
}

std::string aliases_of(const Command& command) {
  std::string text;
  for (const Alias& alias : aliases()) {
    if (alias.command == &command) text += fmt::format("{} {}, ", program(), alias.name);
  }
  return text.empty() ? text : fmt::format("Aliases:\n  {}{} {}\n\n", text, program(), command.name);
}

std::string help_of(const Named& named) {
  return fmt::format("Usage:  {}\n\n{}\n\n{}{}", usage_of(named), named.command->summary, aliases_of(*named.command),
                     render_options(named.command->options));
}

std::string overview() {
  std::string text = fmt::format(
      "Usage:  {} COMMAND\n\nRuns containers as an ordinary user, without a daemon.\n\n"
      "Management Commands:\n",
      program());
  for (const Group& group : groups()) text += fmt::format("  {:<17}  {}\n", group.name, group.summary);
  text += "\nCommands:\n";
  for (const Command* command : commands()) text += fmt::format("  {:<17}  {}\n", command->name, command->summary);
  text += fmt::format("  {:<17}  {}\n", "oci", "Act as an OCI runtime for engines and schedulers");
  text += "\nGlobal " + render_options(kGlobalOptions);
  return text + fmt::format("\nRun '{} COMMAND --help' for more information on a command.\n", program());
}

std::string group_help(const Group& group) {
  std::string text = fmt::format("Usage:  {} {} COMMAND\n\n{}\n\nCommands:\n", program(), group.name, group.summary);
  for (const auto& [name, command] : commands_of(group.name))
    text += fmt::format("  {:<11}  {}\n", name, command->summary);
  return text + fmt::format("\nRun '{} {} COMMAND --help' for more information on a command.\n", program(), group.name);
}

/// Throws CountError in Docker's wording (cli/required.go).
void check_count(const Named& named, std::size_t count) {
  const Command& command = *named.command;
  const std::string name = fmt::format("{} {}", program(), named.name);
  const auto plural = [](int n) { return n == 1 ? "argument" : "arguments"; };
  const int given = static_cast<int>(count), low = command.min_arguments, high = command.max_arguments;
  if (high == 0 && given > 0) throw CountError(fmt::format("'{}' accepts no arguments", name));
  if (low == high && given != low) throw CountError(fmt::format("'{}' requires {} {}", name, low, plural(low)));
  if (given < low) throw CountError(fmt::format("'{}' requires at least {} {}", name, low, plural(low)));
  if (high >= 0 && given > high)
    throw CountError(fmt::format("'{}' requires at most {} {}", name, high, plural(high)));
}

int run_command(const Named& named, std::span<char* const> words) {
  const Command& command = *named.command;
  Arguments arguments;
  try {
    arguments = parse_arguments(command.options, command.interspersed, words, command.refused);
  } catch (const Unsupported& error) {
    print_error(error.what(), error.hint());
    return 125;
  } catch (const UsageError& error) {
    print_error(error.what() + usage_tail(named), error.hint());
    return 125;
  }
  if (arguments.help) {
    print(help_of(named));
    return 0;
  }
  try {
    check_count(named, arguments.positional.size());
    return command.run(arguments);
  } catch (const CountError& error) {
    print_error(error.what() + usage_tail(named), error.hint());
    return 1;
  } catch (const FlagError& error) {
    print_error(error.what() + usage_tail(named), error.hint());
    return 125;
  } catch (const container::StartFailure& error) {
    print_error(error.what(), error.hint());
    return error.exit_code();
  } catch (const Error& error) {
    print_error(error.what(), error.hint());
  } catch (const std::exception& error) {
    print_error(fmt::format("internal error: {}", error.what()));
  }
  return command.failure_status;
}

/// The words that may name a command.
std::vector<std::string> text_of(std::span<char* const> words) {
  const auto first = words.first(std::min<std::size_t>(words.size(), 2));
  return {first.begin(), first.end()};
}

int show(const std::string& text) {
  print(text);
  return 0;
}

/// `path`: the group's name and a space, if the word stands in one.
int unknown(std::string_view word, std::string_view path, std::span<const std::string_view> known) {
  const std::string whole = fmt::format("{} {}", program(), path);
  print_error(fmt::format("unknown command: {}{}\n\nRun '{}--help' for more information", whole, word, whole),
              did_you_mean(word, known));
  return 1;
}

int wrong_flag(const UsageError& error, std::string_view path) {
  print_error(fmt::format("{0}\n\nUsage:  {1} COMMAND\n\nRun '{1} --help' for more information", error.what(), path),
              error.hint());
  return 125;
}

int unknown_flag(std::string_view flag, std::string_view path) {
  return wrong_flag(UsageError(fmt::format("unknown flag: {}", flag)), path);
}

int group_main(const Group& group, std::span<char* const> words) {
  const std::string_view next = words.empty() ? "--help" : words[0];
  if (next == "--help" || next == "-h" || next == "help") return show(group_help(group));
  std::vector<std::string_view> names;
  for (const auto& [name, command] : commands_of(group.name)) names.push_back(name);
  if (next.starts_with('-')) return unknown_flag(next, fmt::format("{} {}", program(), group.name));
  return unknown(next, fmt::format("{} ", group.name), names);
}

/// `help`, `help run`, `help container ls`.
int help_main(std::span<char* const> words) {
  if (words.empty()) return show(overview());
  if (const Named named = find_command(text_of(words)); named.command != nullptr) return show(help_of(named));
  if (const Group* group = find_group(words[0]); group != nullptr) return show(group_help(*group));
  return unknown(words[0], {}, top_names());
}

void apply_global_options(const Arguments& arguments) {
  if (const auto directory = arguments.last("config")) ::setenv("DOCKER_CONFIG", directory->c_str(), 1);
  if (const auto context = arguments.last("context"); context && *context != "default")
    throw NotFound(fmt::format("context \"{}\": context not found", *context));
}

/// A command line that begins with options.
int optioned_main(std::span<char* const> words) {
  try {
    const Arguments arguments = parse_arguments(kGlobalOptions, false, words, kRefusedGlobalOptions);
    if (arguments.help) return show(overview());
    apply_global_options(arguments);
    if (arguments.flag("version")) return run_command(find_command(std::vector<std::string>{"version"}), {});
    return client_main(words.subspan(words.size() - arguments.positional.size()));
  } catch (const UsageError& error) {
    return wrong_flag(error, program());
  } catch (const Error& error) {
    print_error(error.what(), error.hint());
    return dynamic_cast<const Unsupported*>(&error) != nullptr ? 125 : 1;
  }
}

}  // namespace

void print_error(const std::string& message, const std::string& hint) {
  ::fprintf(stderr, "%s: %s\n", program().data(), without_controls(message).c_str());
  if (!hint.empty()) ::fprintf(stderr, "hint: %s\n", without_controls(hint).c_str());
}

void print(std::string_view text) {
  if (::fwrite(text.data(), 1, text.size(), stdout) != text.size() || ::fflush(stdout) != 0) {
    throw SysError(Errno{errno}, "writing to standard output");
  }
}

int for_each_argument(const Arguments& arguments, void (*act)(const std::string& name, const Arguments& arguments)) {
  int status = 0;
  for (const auto& name : arguments.positional) {
    try {
      act(name, arguments);
      print(name + "\n");
    } catch (const Error& error) {
      print_error(error.what(), error.hint());
      status = 1;
    }
  }
  return status;
}

int client_main(std::span<char* const> words) {
  if (words.empty()) return show(overview());
  const std::string_view name = words[0];
  if (name.starts_with('-')) return optioned_main(words);
  if (name == "help") return help_main(words.subspan(1));
  if (name == "oci") return oci_main(words.subspan(1));
  if (const Named named = find_command(text_of(words)); named.command != nullptr) {
    return run_command(named, words.subspan(named.words));
  }
  if (name == "__complete") return complete_main(words.subspan(1));
  if (const Group* group = find_group(name); group != nullptr) return group_main(*group, words.subspan(1));
  return unknown(name, {}, top_names());
}

}  // namespace sandbox::cli
