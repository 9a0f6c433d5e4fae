#include "sandbox/runtime/lifecycle.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "sandbox/base/error.h"
#include "sandbox/base/file.h"
#include "sandbox/base/process.h"
#include "sandbox/base/process_table.h"
#include "sandbox/base/sys.h"
#include "sandbox/oci/runtime_spec.h"
#include "sandbox/runtime/cgroup.h"
#include "sandbox/runtime/hooks.h"
#include "sandbox/runtime/intel_rdt.h"
#include "sandbox/runtime/launching.h"
#include "sandbox/runtime/processes.h"
#include "sandbox/runtime/seccomp_agent.h"

namespace sandbox::runtime {
namespace {

constexpr int kill_patience = 10'000;  // milliseconds until a killed process must be gone
constexpr int kill_step = 20;
constexpr int set_up_failed = 125;  // userns::LaunchError::exit_code()

/// Whether nothing in its pid namespace can run any more, though the container's first process has not ended: it waits
/// there for the end of all others, and those that came by `exec` end when their parent outside has reaped them
/// (pid_namespaces(7)).
bool only_waits_for_reapers(int pid) {
  return process_start_time(pid) == 0 &&
         std::ranges::none_of(processes_beside(pid), [](int other) { return process_start_time(other) != 0; });
}

void kill_and_wait(const Record& record) {
  Fd process;
  try {
    process = open_process(record);
  } catch (const Conflict&) {
    return;  // it has ended by itself
  }
  if (const auto cgroup = cgroup_of(record)) cgroup->kill();  // also what is paused
  (void)sys::pidfd_send_signal(process.get(), SIGKILL);
  for (int waited = 0; waited < kill_patience; waited += kill_step) {
    pollfd item{process.get(), POLLIN, 0};
    if (::poll(&item, 1, kill_step) > 0 || only_waits_for_reapers(record.pid)) return;
  }
  throw Error("container init still running");
}

/// A record that nobody can read any more tells of no process; what it stands in the way of is only a directory.
std::optional<Record> load_for_removal(const Store& store, const std::string& id, bool force) {
  try {
    return store.load(id);
  } catch (const NotFound&) {
    if (!force) throw;
  } catch (const InvalidInput&) {
    check_id(id);
    if (!force) throw;
  }
  store.remove(id);
  return std::nullopt;
}

OrderedJson common_state(const Record& record, Status status, int pid) {
  return {{"ociVersion", record.oci_version},
          {"id", record.id},
          {"pid", pid},
          {"status", to_word(status)},
          {"bundle", record.bundle}};
}

void add_annotations(OrderedJson& document, const Record& record) {
  if (!record.annotations.empty()) document["annotations"] = record.annotations;
}

/// The configuration as it was at create; an empty one where it has nothing for later.
oci::RuntimeSpec spec_for_later(const Store& store, const Record& record) {
  if (!record.has_later_steps) return {};
  const std::string path = store.config(record.id);
  return oci::parse_runtime_spec(parse_json(read_file(path), path), path);
}

/// A configuration that can't be read any more must not keep a container from being removed.
oci::Hooks hooks_for_removal(const Store& store, const Record& record, std::vector<std::string>& warnings) {
  try {
    return spec_for_later(store, record).hooks;
  } catch (const Error& error) {
    warnings.push_back(fmt::format("the poststop hooks can't be run: {}", error.what()));
    return {};
  }
}

void destroy(const Store& store, const Record& record, std::vector<std::string>& warnings) {
  kill_and_wait(record);
  remove_cgroup(record, warnings);
  remove_intel_rdt(record, warnings);
  const oci::Hooks hooks = hooks_for_removal(store, record, warnings);
  store.remove(record.id);
  run_poststop(hooks, record, warnings);
}

/// A process whose seccomp agent has not got the listener does not go on.
void start_process(int gate, const userns::TakeListener& take, const Record& record) {
  try {
    launching([&] { userns::start_through(gate, take); });
  } catch (const Error&) {
    if (take) kill_and_wait(record);
    throw;
  }
}

}  // namespace

OrderedJson state_document(const Store& store, const Record& record) {
  const Status status = status_of(store, record);
  OrderedJson document = common_state(record, status, status == Status::stopped ? 0 : record.pid);
  document["rootfs"] = record.rootfs;
  document["created"] = record.created;
  add_annotations(document, record);
  return document;
}

OrderedJson decided_state(const Record& record, Status status, int pid) {
  OrderedJson document = common_state(record, status, pid);
  add_annotations(document, record);
  return document;
}

std::string hook_state(const Record& record, Status status, int pid) {
  return decided_state(record, status, pid).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void start(const Store& store, const std::string& id, std::vector<std::string>& warnings) {
  (void)store.load(id);
  const FileLock lock(store.lock(id));
  const Record record = store.load(id);  // as it is now that nobody else changes it
  switch (status_of(store, record)) {
    case Status::created:
      break;
    case Status::stopped:
      throw Conflict("cannot start a container that has stopped");
    case Status::creating:
      throw Conflict("cannot start a container that is being created");
    default:
      throw Conflict("cannot start an already running container");
  }
  const auto connection = connect_gate(store, id);
  if (!connection) throw Conflict("cannot start a container that has stopped");
  const oci::RuntimeSpec spec = spec_for_later(store, record);
  const userns::TakeListener take = connect_agent(spec.linux_part, record, Status::created, record.pid);
  try {
    start_process(connection->get(), take, record);
  } catch (const userns::LaunchError& error) {
    // A program that can't be executed leaves a container that has stopped; a startContainer hook that failed none.
    if (error.exit_code() == set_up_failed) destroy(store, record, warnings);
    throw;
  }
  try {
    run_poststart(spec.hooks, record);
  } catch (const Error&) {
    destroy(store, record, warnings);
    throw;
  }
}

void run_poststart(const oci::Hooks& hooks, const Record& record) {
  try {
    run_hooks(hooks.poststart, "poststart", hook_state(record, Status::running, record.pid));
  } catch (const Error&) {
    kill_and_wait(record);
    throw;
  }
}

void kill(const Store& store, const std::string& id, int signal) {
  const Record record = store.load(id);
  if (signal == SIGKILL && kill_in_cgroup(record)) return;
  const Fd process = open_process(record);
  const auto sent = sys::pidfd_send_signal(process.get(), signal);
  if (!sent && sent.error().value == ESRCH) throw Conflict("container not running");
  if (!sent) throw SysError(sent.error(), fmt::format("sending signal {} to container '{}'", signal, id));
}

void remove(const Store& store, const std::string& id, bool force, std::vector<std::string>& warnings) {
  const auto known = load_for_removal(store, id, force);
  if (!known) return;
  const FileLock lock(store.lock(id));
  const auto record = load_for_removal(store, id, force);
  if (!record) return;
  const Status status = status_of(store, *record);
  if (!force && status != Status::stopped && status != Status::created) {
    throw Conflict(fmt::format("cannot delete container {} that is not stopped: {}", id, to_word(status)));
  }
  destroy(store, *record, warnings);
}

void run_poststop(const oci::Hooks& hooks, const Record& record, std::vector<std::string>& warnings) {
  const std::string state = hook_state(record, Status::stopped, 0);
  for (const oci::Hook& hook : hooks.poststop) {
    try {
      run_hooks({hook}, "poststop", state);
    } catch (const Error& error) {
      warnings.emplace_back(error.what());
    }
  }
}

int parse_signal_word(const std::string& word) {
  int number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc{} && end == word.data() + word.size() && number >= 0 && number < NSIG) return number;
  std::string name = word;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (name.starts_with("SIG")) name.erase(0, 3);
  for (number = 1; number < NSIG; ++number) {
    const char* known = ::sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  const int offset_at = name.starts_with("RTMIN+") ? 6 : name.starts_with("RTMAX-") ? -6 : 0;
  if (offset_at != 0) {
    int offset = 0;
    const auto [last, bad] = std::from_chars(name.data() + 6, name.data() + name.size(), offset);
    number = offset_at > 0 ? SIGRTMIN + offset : SIGRTMAX - offset;
    if (bad == std::errc{} && last == name.data() + name.size() && number >= SIGRTMIN && number <= SIGRTMAX)
      return number;
  }
  throw InvalidInput(fmt::format("unknown signal \"{}\"", word));
}

}  // namespace sandbox::runtime
