// The merged tree: lower directories that never change through it, and an upper one that takes every
// change, in kernel overlayfs' on-disk format (Documentation/filesystems/overlayfs.rst, "userxattr").
// Called by the FUSE server's threads at the same time; failures are thrown as Failure.
//
// Locks, in the order in which they are taken:
//   walk_.mutex   what is worked out ahead
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

#include "fuse-overlay/tree/id_translation.h"
#include "fuse-overlay/tree/links.h"
#include "fuse-overlay/tree/node.h"
#include "fuse-overlay/tree/quota.h"
#include "sandbox/base/error.h"
#include "sandbox/base/sys.h"

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
  IdTranslation uids, gids;              ///< Where they are other ids than on disk.
  bool whiteout_files = false;           ///< Whiteouts in lower layers may be files (format.h).
  std::size_t open_capacity = 1024;      ///< Directories and files kept open, beyond the layers' own.
  Quota::Limits quota;                   ///< Of the upper layer.
  std::function<void()> before_waiting;  ///< Called before work that takes long, such as copying a big file.
};

struct Entry {
  Node* node = nullptr;
  struct stat status{};
};

/// Who asked for a new object.
struct Creator {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Which attributes to change; as in setattr of the FUSE protocol.
struct AttributeChange {
  std::optional<mode_t> mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<off_t> size;
  timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};  ///< atime, mtime; UTIME_NOW and UTIME_OMIT as usual.
  bool drops_set_ids = false;  ///< Together with a size: set-ID bits go, since the caller may not keep them.
  bool sets_times() const { return times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT; }
  bool sets_owner() const { return uid || gid; }
};

class Overlay {
 public:
  explicit Overlay(Settings settings);

  Node& root() { return table_.root(); }
  bool is_writable() const { return has_upper_; }
  std::size_t known_nodes() const { return table_.size(); }

  // lookup.cc
  std::optional<Entry> lookup(Node& parent, const std::string& name);
  void forget(Node& node, std::uint64_t lookups) { table_.forget(node, lookups); }

  // list.cc
  /// `anew`: as it is now; else as somebody is reading it.
  std::shared_ptr<const Listing> list(Node& directory, bool anew);
  void end_list(Node& directory) { table_.keep_listing(directory, nullptr); }
  void sync_directory(Node& directory);

  // ahead.cc
  /// A listing has been read to its end.
  void note_listed(Node& directory, const Listing& listing);
  /// Does a little of what will probably be asked next, some ten microseconds' work; false: there is nothing to do.
  bool work_ahead();
  /// What lookup() of the item's name would answer.
  std::optional<Entry> lookup_listed(Node& directory, const Listing& listing, std::size_t item);

  // attributes.cc
  struct stat attributes(Node& node);
  /// Returns the status afterwards.
  struct stat change(Node& node, const AttributeChange& change);
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

  // files.cc: a regular file's content, as it is now.
  OpenObject readable(Node& node);
  struct Write {
    const char* data;
    std::size_t size;
    off_t offset;
    bool drops_set_ids;  ///< Those who write may not keep set-ID bits.
    bool synchronous;
  };
  /// How much was written: where there isn't room for more, less than all.
  std::size_t write(Node& node, const Write& write);
  void allocate(Node& node, int mode, off_t offset, off_t size);
  std::size_t copy_range(Node& from, off_t from_offset, Node& to, off_t to_offset, std::size_t size);

  // create.cc
  Entry create(Node& parent, const std::string& name, mode_t mode, Creator creator);
  /// O_TMPFILE: a file that make_link may give a name.
  Entry create_unnamed(Node& directory, mode_t mode, Creator creator);
  Entry make_directory(Node& parent, const std::string& name, mode_t mode, Creator creator);
  Entry make_special(Node& parent, const std::string& name, mode_t mode, Creator creator);
  Entry make_symlink(Node& parent, const std::string& name, const std::string& target, Creator creator);
  Entry make_link(Node& node, Node& parent, const std::string& name);

  // remove.cc
  void remove(Node& parent, const std::string& name, bool directory);

  // rename.cc: `flags` of renameat2(2).
  /// A whole directory of lower layers is copied first; `interrupted` says to give that up.
  void rename(Node& parent, const std::string& name, Node& new_parent, const std::string& new_name, unsigned flags,
              const std::function<bool()>& interrupted);

 private:
  struct Layer {
    OpenObject root;
    dev_t device = 0;
  };
  /// An object for system calls that take a directory, a path and AT_ flags.
  struct Location {
    OpenObject hold;
    int directory = -1;
    std::string path;
    int flags = AT_SYMLINK_NOFOLLOW;
    bool follow() const { return flags == 0; }
    std::string absolute() const;  ///< For system calls that take a path only.
  };
  /// Keeps a node known while an operation uses it.
  class Held {
   public:
    /// Takes over one lookup that was counted; none for the root.
    Held(Overlay& overlay, Node& node) : overlay_(&overlay), node_(&node) {}
    Held(Held&& other) noexcept : overlay_(other.overlay_), node_(std::exchange(other.node_, nullptr)) {}
    Held& operator=(Held&& other) noexcept {
      std::swap(overlay_, other.overlay_);
      std::swap(node_, other.node_);
      return *this;
    }
    ~Held() {
      if (node_ != nullptr && node_->parent != nullptr) overlay_->forget(*node_, 1);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    Node* get() const { return node_; }
    Node& operator*() const { return *node_; }
    Node* operator->() const { return node_; }

   private:
    Overlay* overlay_;
    Node* node_;
  };
  /// Counts by how much an upper directory grows during its life.
  class DirectoryGrowth {
   public:
    DirectoryGrowth(Overlay& overlay, Node& directory, int upper)
        : overlay_(overlay), directory_(directory), upper_(upper) {
      if (!overlay_.quota_.is_limited()) return;
      if (const auto status = sys::fstat(upper_)) overlay_.know_size(directory_, *status);
    }
    ~DirectoryGrowth() {
      if (!overlay_.quota_.is_limited()) return;
      if (const auto status = sys::fstat(upper_)) overlay_.count_size(directory_, *status);
    }
    DirectoryGrowth(const DirectoryGrowth&) = delete;
    DirectoryGrowth& operator=(const DirectoryGrowth&) = delete;

   private:
    Overlay& overlay_;
    Node& directory_;
    int upper_;
  };
  struct Name {
    Held parent;
    std::string leaf;
  };
  using Shared = std::shared_lock<std::shared_mutex>;
  using Exclusive = std::unique_lock<std::shared_mutex>;

  bool is_upper(LayerIndex layer) const { return has_upper_ && layer == 0; }
  bool in_upper(const Node& node) const { return is_upper(node.top); }

  // place.cc. Precondition: the tree lock is held.
  OpenObject directory_fd(const Node& node, LayerIndex layer);
  Location locate(const Node& node);
  Fd open_object(const Node& node, int flags);
  OpenObject content(const Node& node);
  struct stat disk_status(const Node& node);  ///< As it is on disk.
  struct stat status_of(const Node& node);    ///< As it is shown.
  void show(struct stat& status, const Node& node) const;

  // lookup.cc. Precondition: the tree lock is held.
  std::optional<Found> find(Node& parent, const std::string& name, std::size_t from = 0);
  /// Whether names of it may have been removed that have to be counted.
  bool has_hidden_links(const Found& found) const;
  bool has_marked_whiteouts(const Node& directory, LayerIndex layer) const;
  /// Whether it is a whiteout, of either form.
  static bool is_mark(int directory, const std::string& name, const struct stat& status);
  bool is_whiteout(const Node& parent, LayerIndex layer, int directory, const std::string& name,
                   const struct stat& status) const;
  /// Whether a file of that layer hides what is below it at the name; or all of that, in the directory of the name.
  bool hides_by_file(LayerIndex layer, int directory, const std::string& name) const;
  bool is_opaque_by_file(LayerIndex layer, int directory, const std::string& name) const;
  /// Throws EINVAL for what would be such a file once this layer is a lower one.
  void check_new_name(const std::string& name) const;
  bool is_foreign(int directory, const std::string& name, dev_t device);
  bool is_numbered(Node& directory, int upper) const;
  std::uint64_t ino_of(Node& parent, int directory, const std::string& name, const struct stat& status,
                       LayerIndex layer);
  std::uint64_t own_ino(dev_t device, ino_t number);
  Entry entry_for(Node& parent, const std::string& name, const Found& found);
  Entry entry_of_new(Node& parent, const std::string& name, const struct stat& status);
  /// Whether a name of an upper directory hides something in a lower layer.
  bool covers_lower(Node& parent, const std::string& name);

  // list.cc. Precondition: the tree lock is held.
  using Items = std::vector<DirectoryItem>;
  static constexpr std::size_t kAll = SIZE_MAX;
  /// Of a directory with more than `most`: about so many.
  Items list_merged(Node& directory, std::size_t most = kAll);
  void list_layer(Node& directory, LayerIndex layer, std::size_t most, Items& items,
                  std::unordered_set<std::string>& seen);
  /// With "." and "..", in the order of cookies.
  Items sorted(Node& directory, Items items) const;
  void check_empty(Node& directory);

  // ahead.cc. Precondition: the walk's mutex is held, and the tree lock is. False: there is nothing to do.
  bool list_ahead();
  bool find_ahead();
  void keep_listing_ahead();
  /// The directory's listing is asked for now: it is kept as far as it has been made. Precondition: no lock is held.
  void finish_listing_ahead(const Node& directory);

  // xattrs.cc. Precondition: the tree lock is held.
  Quota::Reservation reserve_attribute(Node& node);

  // files.cc
  OpenObject writable(Node& node);
  /// After a change of the content by somebody who may not keep set-ID bits.
  void drop_set_ids(int file);
  /// Calls `act` with how many bytes there is room for, and returns what it does.
  template <class Act>
  auto within_quota(Node& node, int file, off_t offset, std::size_t size, bool partly, Act act);

  // accounts.cc
  Quota::Reservation reserve_object(std::uint64_t bytes);
  /// For a change of this range of a file. `partly`: `size` becomes what there is room for.
  Quota::Reservation reserve_range(int file, off_t offset, std::size_t& size, bool partly);
  void know_size(Node& node, const struct stat& before);
  void count_size(Node& node, const struct stat& now);
  void count_new(Node& node, const struct stat& status);
  void note_nameless(Node& node, bool is_nameless);
  void forget_size(const Node& node);
  void count_upper();

  // attributes.cc. Precondition: the tree lock is held.
  bool is_so_already(const Node& node, const AttributeChange& change);

  // copy_up.cc. Precondition: no lock is held.
  void require_writable() const;
  void copy_up(Node& node, bool with_data = true);
  /// `changed`: the copy has these attributes, mode and times, from the beginning. False: there was one already.
  bool copy_up_changed(Node& node, bool with_data, const AttributeChange& changed);
  bool copy_up_one(Node& node, bool with_data, const AttributeChange& changed, const std::vector<Name>& others);
  void stage_object(const Node& node, const struct stat& status, const Fd& data, const Location& from,
                    const std::string& staged);
  void copy_metadata(const Node& node, const struct stat& status, const Fd& data, const Location& from, int copy);
  void copy_attributes(const Fd& data, const Location& from, int copy);
  void put_copy_in_place(Node& node, const struct stat& status, const std::string& staged,
                         const std::vector<Name>& others);

  // other_names.cc
  /// The merged tree's names, but for its own place, of the object of a lower layer; in directories of the upper one.
  /// Precondition: no lock is held.
  std::vector<Name> other_names(Node& node);
  bool may_have_names(LayerIndex layer, const struct stat& status) const;
  /// Paths in the layer of the file with that number. Takes long at first; precondition: no lock is held.
  const std::vector<std::string>& read_links(LayerIndex layer, ino_t number);
  // Precondition of these: the tree lock is held.
  bool is_same_lower(const Name& name, LayerIndex layer, const struct stat& status);
  /// Where a path without symbolic links leads; none: not to a directory.
  std::optional<Name> walk(const std::string& path);
  /// `paths`: all of the lower file's names.
  void count_hidden_links(Node& node, const struct stat& status, const std::vector<std::string>& paths);
  /// A name goes that a lower file has beside others.
  void note_hidden_link();

  // copy_data.cc
  void copy_data(int from, int to, const struct stat& status);

  // staging.cc: objects in the work directory, on their way into the upper layer or out of it.
  std::string staging_name();
  void prepare_work();
  void discard(const std::string& staged) noexcept;
  /// Moves a staged object over a whiteout of an upper directory.
  void put_over_whiteout(const std::string& staged, int upper, const std::string& name, bool directory);
  /// Makes a whiteout at a name of an upper directory, in place of `existing` when that is set.
  void put_whiteout(int upper, const std::string& name, const struct stat* existing);
  /// Notes in an upper directory that something in it has an inode number on record.
  void mark_numbered(Node& directory, int upper) const;
  /// Calls `put` with the directory's descriptor in the upper layer, for a change that a user would not see: its times
  /// stay, and what comes may have an inode number on record.
  template <class Put>
  void put_unseen(Node& directory, Put put) {
    const OpenObject upper = directory_fd(directory, 0);
    mark_numbered(directory, upper->get());
    const auto status = check(sys::fstat(upper->get()));
    put(upper->get());
    const timespec times[2] = {status.st_atim, status.st_mtim};
    (void)sys::utimensat(upper->get(), ".", times, 0);
  }
  void make_whiteout(int directory, const std::string& name) const;
  void make_opaque(int directory, const std::string& name) const;
  /// Removes a directory that holds nothing but whiteouts.
  void remove_hollow_directory(int directory, const std::string& name) const;

  // create.cc. `make` creates an object at a directory and a name.
  template <class Make>
  Entry make(Node& parent, const std::string& name, mode_t mode, Creator creator, Make make);
  struct stat give_owner(const Location& object, mode_t mode, int parent, Creator creator) const;

  // remove.cc. Precondition: the tree lock is held exclusively.
  /// The node that the kernel knows for what was found at a name, or nullptr.
  Node* known_at(Node& parent, const std::string& name, const Found& found);
  /// The node's object has lost this name; `pinned` is the object.
  void let_go(Node& node, Node& parent, const std::string& name, Fd pinned);

  // rename.cc
  struct Move;
  void rename_in_upper(const Move& move);
  void rename_nodes(Node& parent, const std::string& name, Node& new_parent, const std::string& new_name,
                    bool exchange);

  // lift.cc
  bool is_lifted(const Node& node);
  void close_directory(Node& directory);
  void lift(Node& node, const std::function<bool()>& interrupted);

  std::vector<Layer> layers_;
  Fd work_;
  bool has_upper_ = false;
  bool marks_whiteouts_ = false;  ///< Device nodes can't be made here: whiteouts are marked files (Linux 6.7).
  bool whiteout_files_ = false;
  /// Some name of a lower file that has others has been removed through this upper layer, in this mount or before.
  std::atomic<bool> hides_links_ = false;
  std::atomic<bool> shares_blocks_ = true;  ///< FICLONE, until the file system has refused it.
  std::vector<LayerLinks> links_;           ///< Of each layer.
  std::optional<Settings::Ids> squash_;
  IdTranslation uids_, gids_;
  Quota quota_;
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

  Changes changes_;  ///< Every function that may change the tree has a guard of it.
  /// Somebody's walk through the tree.
  struct Walk {
    std::mutex mutex;            ///< Guards the rest.
    bool is_seen = false;        ///< The last directory that was read was among those expected.
    std::vector<Held> expected;  ///< Directories that have not been read yet, the next one last.
    std::size_t looked_at = 0;   ///< So many of them, from the end, are listed already, or can't be.
    Node* next() const { return expected.rbegin()[static_cast<std::ptrdiff_t>(looked_at)].get(); }
    std::shared_ptr<Listing> listing;  ///< Of next(), half made.
  };
  Walk walk_;
};

}  // namespace sandbox::overlay
