// oci start, state, kill, delete, list.
#include <pwd.h>
#include <regex.h>
#include <stdio.h>
#include <sys/stat.h>

#include <memory>

#include "sandbox/base/error.h"
#include "sandbox/base/json.h"
#include "sandbox/base/sys.h"
#include "sandbox/cli/command.h"
#include "sandbox/cli/oci/oci_command.h"
#include "sandbox/cli/table.h"
#include "sandbox/runtime/lifecycle.h"
#include "sandbox/runtime/processes.h"

namespace sandbox::cli {
namespace {

constexpr Option kKillOptions[] = {
    {"all", 'a', nullptr, "Every process of the container"},
    {"regex", 'r', nullptr, "Every container whose id the extended regular expression ID matches"},
};
constexpr Option kDeleteOptions[] = {
    {"force", 'f', nullptr, "Kill it first if it runs; no error when there is none"},
    {"regex", 'r', nullptr, "Every container whose id the extended regular expression ID matches"},
};
constexpr Option kListOptions[] = {
    {"format", 'f', "FORMAT", "table or json"},
    {"quiet", 'q', nullptr, "Ids only"},
};

std::string dump(const OrderedJson& document, int indent) {
  return document.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

int run_start(const Arguments& arguments, const OciContext& context) {
  std::vector<std::string> warnings;
  try {
    runtime::start(context.store, arguments.positional[0], warnings);
  } catch (const Error&) {
    context.warn(warnings);
    throw;
  }
  return 0;
}

int run_state(const Arguments& arguments, const OciContext& context) {
  const runtime::Store& store = context.store;
  print(dump(runtime::state_document(store, store.load(arguments.positional[0])), 2) + "\n");
  return 0;
}

std::vector<std::string> matching_ids(const runtime::Store& store, const std::string& pattern) {
  regex_t compiled;
  if (::regcomp(&compiled, pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
    throw UsageError(fmt::format("invalid regular expression '{}'", pattern));
  const std::unique_ptr<regex_t, decltype(&::regfree)> expression(&compiled, &::regfree);
  std::vector<std::string> ids = store.ids();
  std::erase_if(ids, [&](const auto& id) { return ::regexec(&compiled, id.c_str(), 0, nullptr, 0) != 0; });
  return ids;
}

/// Does it to every container that the word means. Of several one that fails doesn't keep the others from it.
template <class Act>
int for_named(const Arguments& arguments, const runtime::Store& store, const Act& act) {
  const std::string& word = arguments.positional[0];
  if (!arguments.flag("regex")) {
    act(word);
    return 0;
  }
  int status = 0;
  for (const std::string& id : matching_ids(store, word)) {
    try {
      act(id);
    } catch (const Error& error) {
      print_error(error.what());
      status = 1;
    }
  }
  return status;
}

int run_kill(const Arguments& arguments, const OciContext& context) {
  const runtime::Store& store = context.store;
  const bool all = arguments.flag("all");
  return for_named(arguments, store, [&](const std::string& id) {
    const runtime::Record record = store.load(id);
    const int signal =
        runtime::parse_signal_word(arguments.positional.size() > 1 ? arguments.positional[1] : "SIGTERM");
    try {
      all ? runtime::signal_all(record, signal) : runtime::kill(store, id, signal);
    } catch (const Conflict&) {
      if (!all) throw;  // runc and its callers: to signal all of none is no error
    }
  });
}

int run_delete(const Arguments& arguments, const OciContext& context) {
  std::vector<std::string> warnings;
  const int status = for_named(arguments, context.store, [&](const std::string& id) {
    runtime::remove(context.store, id, arguments.flag("force"), warnings);
  });
  context.warn(warnings);
  return status;
}

std::string owner_of(const std::string& directory) {
  const auto status = sys::fstatat(AT_FDCWD, directory.c_str(), AT_SYMLINK_NOFOLLOW);
  if (!status) return "";
  const passwd* entry = ::getpwuid(status->st_uid);
  return entry != nullptr ? entry->pw_name : fmt::format("#{}", status->st_uid);
}

std::vector<OrderedJson> all_states(const runtime::Store& store) {
  std::vector<OrderedJson> states;
  for (const std::string& id : store.ids()) {
    try {
      OrderedJson state = runtime::state_document(store, store.load(id));
      state["owner"] = owner_of(store.directory(id));
      states.push_back(std::move(state));
    } catch (const Error& error) {
      print_error(fmt::format("load container {}: {}", id, error.what()));
    }
  }
  return states;
}

void print_table(const std::vector<OrderedJson>& states) {
  std::vector<std::vector<std::string>> rows{{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const OrderedJson& state : states) {
    const auto text = [&](const char* key) { return state.at(key).get<std::string>(); };
    rows.push_back({text("id"), std::to_string(state.at("pid").get<int>()), text("status"), text("bundle"),
                    text("created"), text("owner")});
  }
  constexpr std::size_t least_width = 12, gap = 3;
  std::vector<std::size_t> widths(rows[0].size(), least_width);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + gap);
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) text += fmt::format("{:<{}}", without_controls(row[i]), widths[i]);
    text += without_controls(row.back()) + "\n";
  }
  print(text);
}

int run_list(const Arguments& arguments, const OciContext& context) {
  const std::string format = arguments.text("format", "table");
  if (format != "table" && format != "json") throw UsageError("invalid format option");
  const std::vector<OrderedJson> states = all_states(context.store);
  if (arguments.flag("quiet")) {
    for (const OrderedJson& state : states) print(state.at("id").get<std::string>() + "\n");
  } else if (format == "json") {
    print((states.empty() ? "null" : dump(states, -1)) + "\n");
  } else {
    print_table(states);
  }
  return 0;
}

}  // namespace

constinit const OciCommand kOciStart = {"start", "ID", "Run the program of a created container", {}, run_start, 1, 1};
constinit const OciCommand kOciState = {"state", "ID", "Print a container's state as JSON", {}, run_state, 1, 1};
constinit const OciCommand kOciKill = {"kill",
                                       "[OPTIONS] ID [SIGNAL]",
                                       "Send a signal (default: TERM) to a container's first process",
                                       kKillOptions,
                                       run_kill,
                                       1,
                                       2};
constinit const OciCommand kOciDelete = {
    "delete", "[OPTIONS] ID", "Remove a container that has stopped", kDeleteOptions, run_delete, 1, 1};
constinit const OciCommand kOciList = {"list", "[OPTIONS]", "List the containers of this root", kListOptions, run_list};

}  // namespace sandbox::cli
