// Volumes on disk: volumes/<name>/{_data,volume.json}. Readers take no lock. A volume appears by the rename of a
// finished directory, and goes by a rename out of sight.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sandbox/base/file.h"
#include "sandbox/base/json_fwd.h"
#include "sandbox/base/places.h"
#include "sandbox/container/container_store.h"

namespace sandbox::container {

struct Volume {
  std::string name;
  std::int64_t created = 0;  ///< Seconds since the epoch.
  std::map<std::string, std::string> labels;
  bool anonymous = false;  ///< Made for one container, with a name that nobody has chosen.
  std::string directory;   ///< Not part of the document.

  std::string data() const { return directory + "/_data"; }
};

/// Without the directory.
Json to_json(const Volume& volume);
/// Throws InvalidInput naming the field.
Volume volume_from_json(const Json& document);

class VolumeStore {
 public:
  explicit VolumeStore(const Places& places) : places_(places) {}

  /// Where the files of the volume `name` are or will be.
  std::string data_of(const std::string& name) const;
  /// Throws NotFound "get X: no such volume".
  Volume find(const std::string& name) const;
  std::vector<Volume> list() const;  ///< By name; unreadable ones are left out with a warning.

  /// While one of these lives, nobody else makes or removes volumes. Comes before containers/.lock.
  class Held {
   public:
    /// The volume of that name; made when there is none, and then on the disk before anybody sees it, with what `fill`
    /// has put into its directory `data` (O_PATH).
    Volume ensure(const Volume& wanted, const std::function<void(int data)>& fill = {}) const;
    /// The same for a container that is about to be made: an anonymous one goes with the next holder if that never is.
    Volume ensure_for_container(const Volume& wanted, const std::function<void(int data)>& fill) const;
    /// That container is there: its volumes are not new any more.
    void settle(const Spec& made) const;
    /// Removes the new volumes of containers that were not made, and those of announce_end() that nobody has. What
    /// can't be removed now must not keep anybody from going on.
    void settle() const;
    /// Has `fill` put into an empty volume what it is to begin with: afterwards all of it is there, or nothing. No
    /// effect on a volume that isn't empty, or that a running container has.
    void fill(const Volume& volume, const std::function<void(int data)>& fill) const;
    /// Throws Conflict when a container has it.
    void remove(const Volume& volume) const;

   private:
    friend class VolumeStore;
    Held(const VolumeStore& store, FileLock lock);
    Volume make(const Volume& wanted, const std::function<void(int data)>& fill, bool is_new) const;
    VolumeStore store() const;

    Places places_;
    FileLock lock_;
  };
  Held hold() const;
  bool has_any() const { return path_exists(root()); }  ///< Or had.
  std::optional<Held> hold_if_free() const;  ///< None while somebody else does. Precondition: has_any().

  /// The name of the volume that a mount shows, wholly or in part; empty: none.
  std::string volume_of(const userns::MountOp& mount) const;
  /// Names of the volumes that a container mounts, each once.
  std::vector<std::string> volumes_of(const Spec& spec) const;
  /// Those of `containers` that mount the volume.
  std::vector<Container> users_of(const std::vector<Container>& containers, const std::string& volume) const;

  /// The container is about to be removed with its anonymous volumes: whoever does so may be killed between the two.
  void announce_end(const Spec& going) const;
  /// It is not removed after all, or its volumes stay.
  void withdraw_end(const Spec& staying) const;
  /// Removes those of `names` that are anonymous and that no container has any more.
  void remove_unused_anonymous(const std::vector<std::string>& names) const;
  void remove_unused_anonymous(const Held& held, const std::vector<std::string>& names) const;

 private:
  std::string root() const { return places_.data + "/volumes"; }
  std::string fate_of(const std::string& name) const;
  void forget_fate(const std::string& name) const;

  Places places_;
};

}  // namespace sandbox::container
