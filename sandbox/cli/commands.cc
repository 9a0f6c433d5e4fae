// The table of commands and the client's outermost boundary. Prints errors in Docker's shape:
// "sandbox: <message>", with the remedy on a line of its own.
#include <stdio.h>

#include "sandbox/base/error.h"
#include "sandbox/cli/cmd/volume.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/cli/table.h"
#include "sandbox/container/supervisor.h"

namespace sandbox::cli {
namespace {

constexpr const Command* kCommands[] = {&kRun,  &kCreate, &kStart, &kExec, &kPs,     &kLogs,   &kStop, &kKill, &kRm,      &kWait,   &kInspect,
                                        &kPull, &kPush, &kLoad, &kImport, &kImages, &kTag,  &kRmi,  &kVersion, &kInfo, &kDoctor,
                                        &kRestart, &kRename, &kPort, &kAttach, &kPause, &kUnpause, &kTop, &kDiff,
                                        &kCommit, &kCp, &kExport, &kHistory, &kImagePrune, &kContainerPrune, &kSystemDf, &kSystemPrune, &kSystemFsck, &kOverlay,
                                        &kVolumeCreate, &kVolumeLs, &kVolumeInspect, &kVolumeRm, &kVolumePrune};

std::string usage_tail(const Command& command) {
  return fmt::format("\n\nUsage: sandbox {}\n\nRun 'sandbox {} --help' for more information", command.usage, command.name);
}

int print_overview(FILE* stream) {
  std::string text = "Usage: sandbox COMMAND\n\nRuns containers as an ordinary user, without a daemon.\n\nCommands:\n";
  for (const Command* command : kCommands) text += fmt::format("  {:<15}  {}\n", command->name, command->summary);
  text += fmt::format("  {:<15}  {}\n", "oci", "Act as an OCI runtime for engines and schedulers");
  text += "\nRun 'sandbox COMMAND --help' for more information on a command.\n";
  ::fputs(text.c_str(), stream);
  return 0;
}

/// What the first words name: a command, and how many words its name has.
struct Named {
  const Command* command = nullptr;
  std::size_t words = 0;
};
Named find_command(std::span<char* const> words) {
  const std::string_view first = words[0] == std::string_view("--version") || words[0] == std::string_view("-v") ? "version" : words[0];
  const std::string pair = words.size() > 1 ? fmt::format("{} {}", words[0], words[1]) : std::string();
  for (const Command* command : kCommands) {
    if (first == command->name) return {command, 1};
    if (pair == command->name) return {command, 2};
  }
  return {};
}

/// The commands whose names begin with the group's; "" when there is no such group.
std::string group_help(std::string_view group) {
  std::string text;
  for (const Command* command : kCommands) {
    const std::string_view name = command->name;
    if (!name.starts_with(group) || name.size() <= group.size() || name[group.size()] != ' ') continue;
    text += fmt::format("  {:<15}  {}\n", name.substr(group.size() + 1), command->summary);
  }
  return text.empty() ? text : fmt::format("Usage: sandbox {0} COMMAND\n\nCommands:\n{1}", group, text);
}

/// Docker's wording (cli/required.go); "" when the number is right.
std::string wrong_count(const Command& command, std::size_t count) {
  const auto plural = [](int n) { return n == 1 ? "argument" : "arguments"; };
  const int given = static_cast<int>(count), low = command.min_arguments, high = command.max_arguments;
  if (high == 0 && given > 0) return fmt::format("'sandbox {}' accepts no arguments", command.name);
  if (low == high && given != low) return fmt::format("'sandbox {}' requires {} {}", command.name, low, plural(low));
  if (given < low) return fmt::format("'sandbox {}' requires at least {} {}", command.name, low, plural(low));
  if (high >= 0 && given > high) return fmt::format("'sandbox {}' requires at most {} {}", command.name, high, plural(high));
  return {};
}

int run_command(const Command& command, std::span<char* const> words) {
  Arguments arguments;
  try {
    arguments = parse_arguments(command.options, command.interspersed, words);
  } catch (const UsageError& error) {
    print_error(error.what() + usage_tail(command));
    return 125;
  }
  if (arguments.help) {
    print(fmt::format("Usage: sandbox {}\n\n{}\n\n{}", command.usage, command.summary, render_options(command.options)));
    return 0;
  }
  if (const auto wrong = wrong_count(command, arguments.positional.size()); !wrong.empty()) {
    print_error(wrong + usage_tail(command));
    return 1;
  }
  try {
    return command.run(arguments);
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

}  // namespace

std::span<const Command* const> commands() { return kCommands; }

void print_error(const std::string& message, const std::string& hint) {
  ::fprintf(stderr, "sandbox: %s\n", without_controls(message).c_str());
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
  const std::string_view name = words.empty() ? "--help" : words[0];
  if (name == "--help" || name == "-h" || name == "help") return print_overview(stdout);
  if (name == "oci") return oci_main(words.subspan(1));
  if (const Named named = find_command(words); named.command != nullptr) {
    return run_command(*named.command, words.subspan(named.words));
  }
  if (const std::string help = group_help(name); !help.empty()) {
    const std::string_view next = words.size() > 1 ? words[1] : "--help";
    if (next == "--help" || next == "-h") {
      ::fputs(help.c_str(), stdout);
      return 0;
    }
    print_error(fmt::format("unknown command: sandbox {0} {1}\n\n{2}", name, next, help));
    return 1;
  }
  if (name.starts_with('-')) {
    print_error(fmt::format("unknown flag: {}\n\nUsage: sandbox COMMAND\n\nRun 'sandbox --help' for more information", name));
    return 125;
  }
  print_error(fmt::format("unknown command: sandbox {}\n\nRun 'sandbox --help' for more information", name));
  return 1;
}

}  // namespace sandbox::cli
