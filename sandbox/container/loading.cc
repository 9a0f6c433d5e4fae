// See loading.h.
#include "sandbox/container/loading.h"

#include <algorithm>
#include <tuple>

#include "sandbox/base/directory.h"
#include "sandbox/base/file.h"
#include "sandbox/base/identifier.h"
#include "sandbox/base/json.h"
#include "sandbox/base/process.h"
#include "sandbox/cgroup/container_cgroup.h"
#include "sandbox/container/spec_head.h"
#include "sandbox/container/supervisor_lock.h"

namespace sandbox::container {
namespace {

constexpr std::size_t largest_description = 16U << 20;

/// A file that a power cut has caught before it was synced: it has a name, but no content (zeros on some file systems).
bool never_reached_the_disk(const std::string& text) { return text.find_first_not_of('\0') == std::string::npos; }

/// The cgroup that a killed supervisor left behind. While the record is there, a living supervisor has the lock.
void sweep_cgroup(const SpecHead& spec, const State& state, const std::string& directory) {
  const std::string record = cgroup_record(directory);
  if (is_up(state) || !path_exists(record)) return;
  const Container container{Spec{spec}, state, directory};
  try {
    const SupervisorLock idle(container);
    cgroup::remove_stale(read_file(record), container.spec.id);
    record_cgroup(container, "");
  } catch (const Conflict&) {
    // It is just starting or ending.
  }
}

std::string read_description(const std::string& directory) {
  std::string text = read_file(directory + "/container.json", largest_description);
  if (never_reached_the_disk(text)) throw LostContainer();
  return text;
}

/// Every directory's name is the id of what is in it, but for those that create() and hide() have out of sight.
void check_id(const SpecHead& spec, const std::string& directory) {
  if (!directory.ends_with("/" + spec.id)) throw InvalidInput("container.json: the id is not the directory's name");
}

Spec spec_of(const std::string& text, const std::string& directory) {
  Spec spec = spec_from_json(parse_spec(text));
  check_id(spec, directory);
  fill_head(spec, directory);
  return spec;
}

Container load_rest(Spec spec, const std::string& directory) {
  Container container{std::move(spec), load_state(directory), directory};
  sweep_cgroup(container.spec, container.state, directory);
  return container;
}

Description load_description(const std::string& directory) {
  std::string text = read_description(directory);
  std::optional<SpecHead> head = parse_spec_head(text);
  if (!head) return {spec_of(text, directory), directory, std::move(text)};
  check_id(*head, directory);
  return {std::move(*head), directory, std::move(text)};
}

Entry load_entry(const std::string& directory) {
  Entry entry{load_description(directory).spec, load_state(directory), directory};
  sweep_cgroup(entry.spec, entry.state, directory);
  return entry;
}

/// What `load_one` makes of each container below `root`, newest first. `lost` gets the names of those that a power cut
/// has emptied.
template <class One>
std::vector<One> load_all(const std::string& root, One (*load_one)(const std::string& directory),
                          std::vector<std::string>& lost) {
  std::vector<One> found;
  for (const auto& name : list_directory(root)) {
    if (!is_hex(name, 64)) continue;
    const std::string directory = root + "/" + name;
    try {
      found.push_back(load_one(directory));
    } catch (const LostContainer&) {
      lost.push_back(name);
    } catch (const Error& error) {
      if (!path_exists(directory)) continue;  // removed while we looked
      fmt::print(stderr, "warning: leaving out container {0}: {1} (to remove it: sandbox rm -f {0})\n",
                 name.substr(0, 12), error.what());
    }
  }
  const auto age = [](const One& one) {
    return std::tuple(-one.spec.created, -std::int64_t{one.spec.created_nanoseconds}, std::string_view(one.spec.id));
  };
  std::ranges::sort(found, {}, age);
  return found;
}

}  // namespace

State recorded_state(const std::string& directory) {
  const std::string text = read_file(directory + "/state.json");
  if (never_reached_the_disk(text)) return {.status = Status::exited, .exit_code = 137, .error = {}, .host_ports = {}};
  return state_from_json(parse_json(text, "state.json"));
}

std::string cgroup_record(const std::string& directory) { return directory + "/cgroup"; }

void end_orphan(const State& state) {
  if (is_up(state) && !is_of_earlier_boot(state)) kill_process(state.pid, state.pid_start);
}

State load_state(const std::string& directory) {
  State state = recorded_state(directory);
  if (is_up(state) && !is_answered_for(state)) {
    end_orphan(state);
    state.status = Status::exited;  // killed before it could write the end
    state.exit_code = 137;
    state.finished = last_sign_of_life(directory);
    state.pid = 0;
    state.paused = false;
  }
  return state;
}

Spec load_spec(const std::string& directory) { return spec_of(read_description(directory), directory); }

Container load(const std::string& directory) { return load_rest(load_spec(directory), directory); }

Container load(const Description& description) {
  return load_rest(spec_of(description.text, description.directory), description.directory);
}

std::vector<Container> load_containers(const std::string& root, std::vector<std::string>& lost) {
  return load_all<Container>(root, load, lost);
}

std::vector<Entry> load_entries(const std::string& root, std::vector<std::string>& lost) {
  return load_all(root, load_entry, lost);
}

std::vector<Description> load_descriptions(const std::string& root) {
  std::vector<std::string> lost;
  return load_all(root, load_description, lost);
}

}  // namespace sandbox::container
