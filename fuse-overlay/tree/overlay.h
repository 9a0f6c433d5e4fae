// The merged tree: lower directories that never change through it, and an upper one that takes every
// change, in kernel overlayfs' on-disk format (Documentation/filesystems/overlayfs.rst, "userxattr").
// Called by the FUSE server's threads at the same time; failures are thrown as Failure.
//
// Locks, in the order in which they are taken:
//   copy_locks_   one of them while a node is copied up; never two
//   tree_lock_    shared while a place (parent and name) is used; exclusive while places change
//   NodeTable     in memory only
// The kernel holds the parent directory's lock during each change of its entries, so that two changes
// of one directory never meet; what is guarded here are copy-up, and files used while they are renamed.
#pragma once

#include <fcntl.h>
#include <sys/statvfs.h>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <shared_mutex>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>

#include "fuse-overlay/tree/node.h"
#include "sandbox/base/error.h"

namespace sandbox::overlay {

/// An operation's answer to the kernel: an errno(3) value.
struct Failure {
  int error;
};

/// The value of a system call's result, or Failure.
template <class T>
T check(Result<T>&& result) {
  if (!result) throw Failure{result.error().value};
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Settings {
  std::vector<Fd> lower;  ///< O_PATH directories, top-most first; at least one.
  Fd upper, work;         ///< Both or none. `work` is on the file system of `upper` and empty of others' files.
  /// Ids to show for every object, where the user namespace maps only one; none: as they are on disk.
  struct Ids {
    uid_t uid = 0;
    gid_t gid = 0;
  };
  std::optional<Ids> squash;
  std::size_t directory_capacity = 1024;  ///< Directories kept open, beyond the layers' own.
  std::function<void()> before_waiting;   ///< Called before work that takes long, such as copying a big file.
};

struct Entry {
  Node* node = nullptr;
  struct stat status {};
};

/// Who asked for a new object.
struct Creator {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct DirectoryItem {
  std::string name;
  std::uint64_t ino = 0;
  mode_t type = 0;
};

/// An open regular file. After a copy-up through another handle, a reader's descriptor is replaced.
struct OpenFile {
  Node& node;
  std::mutex mutex;  ///< Guards `fd` while it is replaced; innermost but for NodeTable.
  std::shared_ptr<const Fd> fd;
  LayerIndex layer = 0;
};

/// Which attributes to change; as in setattr of the FUSE protocol.
struct AttributeChange {
  std::optional<mode_t> mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<off_t> size;
  timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};  ///< atime, mtime; UTIME_NOW and UTIME_OMIT as usual.
  bool sets_times() const { return times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT; }
  bool sets_owner() const { return uid || gid; }
};

/// Flags of open(2) for the object on disk, for a file that was opened with `flags`.
int backing_flags(int flags);

class Overlay {
 public:
  explicit Overlay(Settings settings);

  Node& root() { return table_.root(); }
  bool is_writable() const { return has_upper_; }
  std::size_t known_nodes() const { return table_.size(); }

  // lookup.cc
  std::optional<Entry> lookup(Node& parent, const std::string& name);
  void forget(Node& node, std::uint64_t lookups) { table_.forget(node, lookups); }
  std::vector<DirectoryItem> list(Node& directory);
  void sync_directory(Node& directory);

  // attributes.cc
  struct stat attributes(Node& node);
  void change(Node& node, const AttributeChange& change, OpenFile* file);
  std::string read_link(Node& node);
  struct statvfs file_system();

  // xattrs.cc: `size` 0 asks for the size alone.
  Result<std::string> attribute(Node& node, const std::string& name, std::size_t size);
  std::string attribute_names(Node& node);
  void set_attribute(Node& node, const std::string& name, std::string_view value, int flags);
  void remove_attribute(Node& node, const std::string& name);

  /// Work begins that takes long: another thread should answer meanwhile.
  void announce_waiting() const {
    if (before_waiting_) before_waiting_();
  }

  // files.cc
  std::unique_ptr<OpenFile> open(Node& node, int flags);
  std::shared_ptr<const Fd> current(OpenFile& file);

  // create.cc
  struct Created {
    Entry entry;
    std::unique_ptr<OpenFile> file;
  };
  Created create(Node& parent, const std::string& name, mode_t mode, int flags, Creator creator);
  Entry make_directory(Node& parent, const std::string& name, mode_t mode, Creator creator);
  Entry make_special(Node& parent, const std::string& name, mode_t mode, Creator creator);
  Entry make_symlink(Node& parent, const std::string& name, const std::string& target, Creator creator);
  Entry make_link(Node& node, Node& parent, const std::string& name);

  // remove.cc
  void remove(Node& parent, const std::string& name, bool directory);

  // rename.cc: `flags` of renameat2(2).
  void rename(Node& parent, const std::string& name, Node& new_parent, const std::string& new_name, unsigned flags);

 private:
  struct Layer {
    DirectoryFd root;
    dev_t device = 0;
  };
  /// An object for system calls that take a directory, a path and AT_ flags.
  struct Location {
    DirectoryFd hold;
    int directory = -1;
    std::string path;
    int flags = AT_SYMLINK_NOFOLLOW;
    bool follow() const { return flags == 0; }
    std::string absolute() const;  ///< For system calls that take a path only.
  };
  using Shared = std::shared_lock<std::shared_mutex>;
  using Exclusive = std::unique_lock<std::shared_mutex>;

  bool is_upper(LayerIndex layer) const { return has_upper_ && layer == 0; }
  bool in_upper(const Node& node) const { return is_upper(node.top); }

  // place.cc. Precondition: the tree lock is held.
  DirectoryFd directory_fd(const Node& node, LayerIndex layer);
  Location locate(const Node& node);
  Fd open_object(const Node& node, int flags);
  struct stat status_of(const Node& node);
  void show(struct stat& status, const Node& node) const;

  // lookup.cc. Precondition: the tree lock is held.
  std::optional<Found> find(const Node& parent, const std::string& name, std::size_t from = 0);
  bool is_whiteout(int directory, const std::string& name, const struct stat& status) const;
  bool is_opaque(int directory, const std::string& name) const;
  bool is_foreign(int directory, const std::string& name, dev_t device);
  std::uint64_t ino_of(int directory, const std::string& name, const struct stat& status, LayerIndex layer);
  Entry entry_for(Node& parent, const std::string& name, const Found& found);
  Entry entry_in_upper(Node& parent, int upper, const std::string& name);
  void list_layer(const Node& directory, LayerIndex layer, std::vector<DirectoryItem>& items,
                  std::unordered_set<std::string>& seen);
  /// Whether a name of an upper directory hides something in a lower layer.
  bool covers_lower(const Node& parent, const std::string& name);
  void check_empty(const Node& directory);

  // copy_up.cc. Precondition: no lock is held.
  void require_writable() const;
  void copy_up(Node& node, bool with_data = true);
  void copy_up_one(Node& node, bool with_data);
  void stage_object(const Node& node, const struct stat& status, const Fd& data, const Location& from,
                    const std::string& staged);
  void copy_metadata(const Node& node, const struct stat& status, const Location& from, const std::string& staged);
  void put_copy_in_place(Node& node, const std::string& staged);

  // staging.cc: objects in the work directory, on their way into the upper layer or out of it.
  std::string staging_name();
  void prepare_work();
  void discard(const std::string& staged) noexcept;
  /// Moves a staged object over a whiteout of an upper directory.
  void put_over_whiteout(const std::string& staged, int upper, const std::string& name, bool directory);
  /// Makes a whiteout at a name of an upper directory, in place of `existing` when that is set.
  void put_whiteout(int upper, const std::string& name, const struct stat* existing);
  void make_whiteout(int directory, const std::string& name) const;
  void make_opaque(int directory, const std::string& name) const;
  /// Removes a directory that holds nothing but whiteouts.
  void remove_hollow_directory(int directory, const std::string& name) const;

  // create.cc. `make` creates an object at a directory and a name.
  template <class Make>
  Entry make(Node& parent, const std::string& name, mode_t mode, Creator creator, Make make);
  void give_owner(int directory, const std::string& name, mode_t mode, int parent, Creator creator) const;

  // rename.cc
  struct Move;
  void rename_in_upper(const Move& move);

  std::vector<Layer> layers_;
  Fd work_;
  bool has_upper_ = false;
  bool marks_whiteouts_ = false;  ///< Device nodes can't be made here: whiteouts are marked files (Linux 6.7).
  std::optional<Settings::Ids> squash_;
  std::function<void()> before_waiting_;
  std::atomic<std::uint64_t> staging_counter_{0};

  std::array<std::mutex, 64> copy_locks_;
  std::shared_mutex tree_lock_;
  NodeTable table_;

  struct Device {
    std::uint64_t number;  ///< Order of appearance, part of st_ino.
    bool foreign;          ///< A kernel's own file system, such as proc.
  };
  std::mutex devices_mutex_;  ///< Innermost.
  std::unordered_map<dev_t, Device> devices_;
};

}  // namespace sandbox::overlay
