// The containers of the OCI runtime on disk: <root>/<id>/ holds
//
//     state.json   what `state` tells and `delete` needs (Record); replaced by rename
//     config.json  the bundle's, as it was at create
//     exec.json    what `exec` needs of that, with the compiled filter in seccomp.bpf (exec_basis.h)
//     gate         the socket at which the created process waits for `start` (userns/launch.h)
//     lock         held by whoever changes the container
//
// and <root>/.filters/ compiled seccomp filters (filter_cache.h).
//
// What is being removed has a name that begins with ".removed-". A directory without a readable state.json is what a
// killed `create` has left; `delete --force` removes it. The root may be a directory of strangers, so it is used only
// when it belongs to the caller alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/fd.h"

namespace sandbox::runtime {

enum class Status { creating, created, running, paused, stopped };
const char* to_word(Status status);

struct Record {
  std::string id, oci_version, bundle, rootfs;
  std::string created;          ///< RFC 3339 with nanoseconds.
  int pid = 0;                  ///< 0 while it is being created.
  std::uint64_t pid_start = 0;  ///< process_start_time(): a pid alone may be a stranger's by now.
  int creator = 0;              ///< The process that makes it.
  std::uint64_t creator_start = 0;
  std::string cgroup;            ///< Directory; empty: that of the caller.
  std::string scope, scope_bus;  ///< Of systemd, that `cgroup` is in; empty: none.
  std::string rdt_group, rdt_monitor;  ///< Directories of resctrl that go with the container; empty: none.
  std::map<std::string, std::string> annotations;
  bool has_later_steps = false;  ///< Whether `start` or `delete` have something to read in config.json.
};

/// Ids as file names: [A-Za-z0-9_+.-]+, but for "." and "..". Throws InvalidInput.
void check_id(const std::string& id);

class Store {
 public:
  /// `given`: the word of --root; empty: <runtime directory>/oci.
  explicit Store(std::string given);

  std::string directory(const std::string& id) const { return root_ + "/" + id; }
  std::string gate(const std::string& id) const { return directory(id) + "/gate"; }
  std::string config(const std::string& id) const { return directory(id) + "/config.json"; }
  std::string exec_config(const std::string& id) const { return directory(id) + "/exec.json"; }
  std::string filter(const std::string& id) const { return directory(id) + "/seccomp.bpf"; }
  std::string lock(const std::string& id) const { return directory(id) + "/lock"; }
  std::string filters() const { return root_ + "/.filters"; }

  /// Makes the container's directory. Throws Conflict when it exists.
  void create(const std::string& id) const;
  /// Throws NotFound; InvalidInput for a damaged record.
  Record load(const std::string& id) const;
  void write(const Record& record) const;
  /// At once for everybody who looks; who is killed on the way leaves files under another name for the next removal.
  void remove(const std::string& id) const;
  /// Ids of all directories, sorted. Throws SysError when a root that was given does not exist.
  std::vector<std::string> ids() const;

 private:
  std::string record_file(const std::string& id) const { return directory(id) + "/state.json"; }
  void make_root() const;
  std::string root_;
  bool given_ = false;
};

/// What the container is doing, as its process and its gate tell.
Status status_of(const Store& store, const Record& record);
/// The container's process, if it is the recorded one. Throws Conflict "container not running".
Fd open_process(const Record& record);
/// A connection to the gate; none when nobody waits there any more.
std::optional<Fd> connect_gate(const Store& store, const std::string& id);
/// A listening socket at the gate's path.
Fd make_gate(const Store& store, const std::string& id);

/// "2026-11-24T13:26:22.245602632Z"
std::string timestamp();

}  // namespace sandbox::runtime
