// Containers on disk: containers/<id>/{container.json,state.json,upper,work,log,…}. Readers take no lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/fd.h"
#include "sandbox/base/places.h"
#include "sandbox/container/spec.h"
#include "sandbox/container/state.h"

namespace sandbox::container {

struct Container {
  Spec spec;
  State state;      ///< A recorded "running" whose supervisor is gone is shown as exited (137).
  std::string directory;
};

/// A container as listings and lookups know it: many of them cost little to read.
struct Entry {
  SpecHead spec;
  State state;  ///< As Container's.
  std::string directory;
};

class ContainerStore {
 public:
  explicit ContainerStore(const Places& places);
  /// Where the container `id` lives or will live: for plans that name its upper/ and work/.
  std::string directory_of(const std::string& id) const;
  /// Makes the directory with upper/ and work/; fails with Conflict when the name is taken. An
  /// empty id becomes a random one, an empty name the first 12 digits of the id.
  /// `starts_at_once`: this process will start it, so an `--rm` container goes with it if it dies before.
  /// `complete` puts further files into the directory before anybody sees it.
  /// A power cut may still take it: see make_durable().
  Container create(Spec spec, bool starts_at_once = false,
                   const std::function<void(const std::string& directory)>& complete = {});
  /// Returns when the container is on the disk (fsync(2)). What is lost before that is swept.
  void make_durable(const Container& container) const;
  /// By name, full id or unique prefix. Throws NotFound "No such container: X".
  Container find(const std::string& reference) const;
  /// The container `id` as it is on disk. None when a power cut has caught it before it was durable: a sweep takes it.
  /// Throws InvalidInput for a damaged description, SysError for a missing one.
  std::optional<Container> read(const std::string& id) const;
  std::vector<Container> list() const;  ///< Newest first; unreadable ones are left out with a warning.
  std::vector<Entry> entries() const;   ///< The same.
  void write_state(const Container& container, const State& state) const;
  /// Durable. Throws Conflict when another container has the name.
  void rename(const Container& container, const std::string& name) const;
  /// Durable: `apply` to its description, which is read under the store's lock. Returns the new one. Throws NotFound.
  Spec change(const Container& container, const std::function<void(Spec&)>& apply) const;
  /// Precondition: not running (Conflict otherwise). What a killed supervisor has left goes too: its container's
  /// first process, if it lives on, and the control socket.
  void remove(const Container& container) const;
  /// The first half of remove(), for the container's own supervisor when it has ended and let its lock go: the name is
  /// free. What it keeps on the disk goes with purge(), or with the next sweep. Returns whether that is little, so that
  /// nobody needs to wait for it.
  bool retire(const Container& container) const;
  void purge(const Container& container) const;
  /// For what find() can't show, since its description is damaged or a newer version's: by full id or unique prefix.
  /// Returns false when there is none. Throws Conflict when it is ambiguous, or its supervisor lives.
  bool remove_unreadable(const std::string& reference) const;
  /// Clears away what processes killed by surprise have left: half-made and half-removed containers, and `--rm` ones
  /// that nobody answers for any more.
  void sweep() const;
  /// entries(), after a sweep if there is something to be swept and no other command is at work here.
  std::vector<Entry> entries_swept() const;

 private:
  std::vector<std::string> unreadable(const std::string& reference) const;
  void hide(const Container& container, std::chrono::milliseconds patience) const;
  std::vector<Entry> sweep_locked(std::vector<Spec>* gone) const;
  std::string root() const { return places_.data + "/containers"; }

  Places places_;
};

/// The published ports as they are bound now, or as asked for (host port 0: any) when nothing is bound.
std::vector<PublishedPort> published_ports(const SpecHead& spec, const State& state);

/// The container's filter bytes, kept beside container.json as seccomp.bpf; empty when it has none.
std::vector<std::byte> read_seccomp(const Container& container);
inline std::string log_path(const Container& container) { return container.directory + "/log"; }
/// What its last checks came to (health.h); absent before the first one.
inline std::string health_path(const Container& container) { return container.directory + "/health.json"; }

/// The container's cgroup; empty when it has none.
std::string cgroup_path(const Container& container);
/// Keeps the path of the container's cgroup in its directory, lest it outlive a killed supervisor: reading the
/// container then removes it. An empty path forgets it.
void record_cgroup(const Container& container, const std::string& path);

}  // namespace sandbox::container
