// The table of the runtime's commands, its global options, and the boundary where its errors end.
#include <algorithm>
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/cli/oci/oci_log.h"
#include "sandbox/oci/runtime_spec.h"

namespace sandbox::cli {
namespace {

constexpr const OciCommand* kOciCommands[] = {
    &kOciCreate, &kOciStart,  &kOciState,  &kOciKill,   &kOciDelete, &kOciRun,  &kOciExec,     &kOciList,  &kOciPs,
    &kOciPause,  &kOciResume, &kOciUpdate, &kOciEvents, &kOciStats,  &kOciSpec, &kOciFeatures, &kOciMounts};

constexpr Option kGlobalOptions[] = {
    {"root", '\0', "DIR", "Directory of the containers' state (default: oci in the runtime directory)"},
    {"log", '\0', "FILE", "Write messages to this file (default: standard error)"},
    {"log-format", '\0', "FORMAT", "text or json"},
    {"log-level", '\0', "LEVEL", "error, warning or debug (default: warning)"},
    {"debug", '\0', nullptr, "Accepted for compatibility"},
    {"rootless", '\0', "WORD", "Accepted for compatibility: what the caller may do decides"},
    {"systemd-cgroup", '\0', nullptr, "cgroupsPath has the form slice:prefix:name"},
    {"cgroup-manager", '\0', "WORD", "cgroupfs, systemd or disabled"},
    {"criu", '\0', "PATH", "Accepted for compatibility: nothing is checkpointed"},
    {"version", 'v', nullptr, "Print the version"},
};

int print_help() {
  std::string text =
      "Usage: sandbox oci [OPTIONS] COMMAND [OPTIONS] [ARG...]\n\nA runtime for containers of the OCI "
      "specification, for engines and schedulers.\n\nCommands:\n";
  for (const OciCommand* command : kOciCommands) text += fmt::format("  {:<9}  {}\n", command->name, command->summary);
  print(text + "\n" + render_options(kGlobalOptions));
  return 0;
}

void check_count(const OciCommand& command, std::size_t given) {
  const int count = static_cast<int>(given), low = command.min_arguments, high = command.max_arguments;
  if (count >= low && (count <= high || high < 0)) return;
  const char* relation = low == high ? "exactly" : count < low ? "a minimum of" : "a maximum of";
  throw UsageError(fmt::format("\"{}\" requires {} {} argument(s)", command.name, relation, count < low ? low : high));
}

void print_help_of(const OciCommand& command) {
  print(fmt::format("Usage: sandbox oci {} {}\n\n{}\n\n{}", command.name, command.usage, command.summary,
                    render_options(command.options)));
}

std::string with_hint(const std::string& prefix, const Error& error) {
  return prefix + error.what() + (error.hint().empty() ? "" : " (hint: " + error.hint() + ")");
}

runtime::CgroupManager cgroup_manager_of(const Arguments& globals) {
  if (globals.flag("systemd-cgroup")) return runtime::CgroupManager::systemd;
  return runtime::parse_cgroup_manager(globals.text("cgroup-manager"));
}

[[noreturn]] void refuse_checkpoints(const std::string& command) {
  throw Unsupported(
      fmt::format("{} is not supported: to write down and make again the processes of a container takes rights over "
                  "the whole machine",
                  command));
}

int fail(const OciLog& log, const std::string& message, int status) {
  log.write("error", message);
  if (!log.to_stderr()) print_error(message);  // engines read one of the two
  return status;
}

}  // namespace

unsigned parse_number(const char* option, const std::string& word) {
  unsigned count = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
  if (error != std::errc{} || end != word.data() + word.size()) {
    throw UsageError(fmt::format("invalid value \"{}\" for flag -{}", word, option));
  }
  return count;
}

int oci_main(std::span<char* const> words) {
  std::optional<OciLog> log;
  const OciCommand* command = nullptr;  // once it has been understood
  try {
    const Arguments globals = parse_arguments(kGlobalOptions, false, words);
    log.emplace(globals.text("log"), globals.text("log-format"), globals.text("log-level"));
    if (globals.flag("version")) {
      print(fmt::format("sandbox-runtime version {}\nspec: {}\n", SANDBOX_VERSION, oci::kSpecVersion));
      return 0;
    }
    if (globals.help || globals.positional.empty()) return print_help();
    const std::string& name = globals.positional[0];
    const auto* found = std::ranges::find_if(kOciCommands, [&](const OciCommand* each) { return name == each->name; });
    if (name == "checkpoint" || name == "restore") refuse_checkpoints(name);
    if (found == std::end(kOciCommands)) throw UsageError(fmt::format("unknown command {}", name));
    // parse_arguments() has stopped at the first word that is no option: the command's own begin behind it.
    // Where arguments end in the words of another program, so do the command's options; else they may follow.
    const Arguments arguments =
        parse_arguments((*found)->options, (*found)->max_arguments >= 0, words.last(globals.positional.size() - 1));
    if (arguments.help) {
      print_help_of(**found);
      return 0;
    }
    check_count(**found, arguments.positional.size());
    command = *found;
    return command->run(arguments, {runtime::Store(globals.text("root")), *log, cgroup_manager_of(globals)});
  } catch (const Error& error) {
    if (!log) log.emplace("", "text", "");
    return fail(*log, with_hint(command != nullptr ? command->failure : "", error),
                command != nullptr ? command->failure_status : 1);
  } catch (const std::exception& error) {
    if (!log) log.emplace("", "text", "");
    return fail(*log, fmt::format("internal error: {}", error.what()), 1);
  }
}

}  // namespace sandbox::cli
