// What a command is; the table of all of them is in command_table.h.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sandbox/cli/options.h"

namespace sandbox::cli {

struct Command {
  const char* name;     ///< "run", or with its group "system df".
  const char* usage;    ///< After "sandbox ": "run [OPTIONS] IMAGE [COMMAND] [ARG...]"
  const char* summary;
  std::span<const Option> options;
  int (*run)(const Arguments& arguments);
  int min_arguments = 0, max_arguments = -1;  ///< -1: no upper bound.
  bool interspersed = true;
  int failure_status = 1;  ///< Exit status of an error that names none itself.
  std::span<const RefusedOption> refused = {};
};

/// The whole client: picks the command, parses, runs, prints errors. Returns the exit status.
int client_main(std::span<char* const> words);

/// Runs `act` on every positional argument, echoing it on success and reporting failures. Returns 0 or 1.
int for_each_argument(const Arguments& arguments, void (*act)(const std::string& name, const Arguments& arguments));

void print_error(const std::string& message, const std::string& hint = {});
void print(std::string_view text);  ///< To stdout; throws when it can't be written.

// One a line, sorted.
extern const Command
    kAttach,
    kBuild,
    kBuilderPrune,
    kCommit,
    kCompletion,
    kContainerInspect,
    kContainerPrune,
    kCp,
    kCreate,
    kDiff,
    kDoctor,
    kEvents,
    kExec,
    kExport,
    kHistory,
    kImageInspect,
    kImageMount,
    kImagePrune,
    kImageUnmount,
    kImages,
    kImport,
    kInfo,
    kInspect,
    kKill,
    kLoad,
    kLogin,
    kLogout,
    kLogs,
    kOverlay,
    kPause,
    kPort,
    kPs,
    kPull,
    kPush,
    kRename,
    kRestart,
    kRm,
    kRmi,
    kRun,
    kSave,
    kSearch,
    kStart,
    kStats,
    kStop,
    kSystemDf,
    kSystemFsck,
    kSystemPrune,
    kTag,
    kTop,
    kUnpause,
    kUpdate,
    kVersion,
    kWait;

}  // namespace sandbox::cli
