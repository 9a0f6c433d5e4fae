// What the kernel knows of the merged tree, in memory of the FUSE server: one Node per inode number
// given out, found by its place (parent and name), and for files with several names by their backing.
// Any worker thread.
//
// Invariants: a node lives as long as the kernel counts lookups of it, or a child has its place in it;
// a node that has lost its name keeps its object in `pinned`. The kernel asks about open files by their
// node, so that descriptors are a cache here, too: whatever is open may be opened again.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "fuse-overlay/tree/changes.h"
#include "sandbox/base/fd.h"

namespace sandbox::overlay {

/// Position in the stack of layers, 0 is the top-most.
using LayerIndex = std::uint16_t;

/// An object of one layer, open as long as somebody uses it: a directory (O_PATH), or a regular file for its content.
using OpenObject = std::shared_ptr<const Fd>;

/// Identity of an object on disk.
struct BackingId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const BackingId&) const = default;
};

/// An entry of a merged directory. Who reads on after it names its cookie, which depends on the name alone.
struct DirectoryItem {
  std::string name;
  std::uint64_t ino = 0;
  mode_t type = 0;
  off_t cookie = 0;
};

/// What a name stands for, as found in the layers.
struct Found {
  struct stat status{};
  std::uint64_t ino = 0;
  LayerIndex top = 0;
  std::vector<LayerIndex> layers, marked;  ///< As in Node.
};

struct Listing {
  static constexpr std::size_t kDots = 2;  ///< The first of the items are "." and "..".
  std::vector<DirectoryItem> items;        ///< In the order of cookies.
  // Of one that was made before it was asked for:
  std::optional<Changes::State> as_of;
  std::vector<std::optional<Found>> found;  ///< For each item, as far as a lookup may answer with it.
};

/// The mutable part is guarded by the overlay's tree lock, but for the counts: by the table's lock.
struct Node {
  Node* parent = nullptr;  ///< nullptr: the root.
  std::string name;
  std::uint64_t ino = 0;           ///< st_ino: stable while the node lives, and across copy-up.
  mode_t type = 0;                 ///< S_IFMT bits.
  LayerIndex top = 0;              ///< The layer that holds the object.
  std::vector<LayerIndex> layers;  ///< Directories: the layers whose entries are merged, top-most first.
  std::vector<LayerIndex> marked;  ///< Those of them whose whiteouts may be marked files.
  /// Directories: whether the upper one holds objects with an inode number on record; read at first use.
  enum class Numbered : std::uint8_t { unknown, no, yes };
  std::atomic<Numbered> numbered = Numbered::unknown;
  /// security.capability, which the kernel asks for before every first write and change of owner. Once it has been set,
  /// only the disk knows.
  enum class Capability : std::uint8_t { unknown, absent, possible };
  std::atomic<Capability> capability = Capability::unknown;
  /// For a quota: what has been counted for the object, if anything; and whether it counts as one without a name.
  static constexpr std::int64_t kUncounted = -1;
  std::atomic<std::int64_t> counted = kUncounted;
  bool nameless = false;
  Fd pinned;                 ///< The object itself (O_PATH), once it has no place any more.
  std::atomic<nlink_t> hidden_links = 0;  ///< Names that a lower object has on disk, and no more in the merged tree.

  std::shared_ptr<const Listing> listing;  ///< While somebody reads the directory; guarded by NodeTable's listing lock.

  std::uint64_t lookups = 0;
  std::uint64_t children = 0;
  BackingId shared{};  ///< Set when registered as a file with several names.

  bool is_directory() const { return S_ISDIR(type); }
  bool is_removed() const { return static_cast<bool>(pinned); }
};

class NodeTable {
 public:
  explicit NodeTable(std::size_t open_capacity) : capacity_(open_capacity) {}
  /// From now on called for each node that goes, under the table's lock.
  void call_at_end(std::function<void(const Node&)> at_end) { at_end_ = std::move(at_end); }
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;
  ~NodeTable();

  Node& root() { return root_; }
  std::size_t size() const;

  /// The node at this place, made when absent, with one more lookup counted. Names of one file share one node, also
  /// when but one name is left.
  Node& obtain(Node& parent, std::string_view name, const Found& found);
  /// A new file in `directory` that has no name.
  Node& obtain_unnamed(Node& directory, const Found& found, Fd pinned);
  /// Counts one more lookup.
  void count(Node& node);
  /// The node at this place, or nullptr; nothing is counted.
  Node* find(const Node& parent, std::string_view name) const;
  /// The same, with one more lookup counted.
  Node* find_counted(const Node& parent, std::string_view name);
  void forget(Node& node, std::uint64_t lookups);

  /// The node of a file with several names, or nullptr; nothing is counted.
  Node* find_shared(BackingId id) const;
  /// From now on the node's file is this one; {}: it has no other names.
  void share(Node& node, BackingId id);
  /// Precondition of these three: the tree lock is held exclusively.
  void detach(Node& node);
  void move(Node& node, Node& parent, std::string_view name);
  void exchange(Node* left, Node& left_parent, std::string_view left_name, Node* right, Node& right_parent,
                std::string_view right_name);

  /// Cache of open objects, least recently used dropped first.
  OpenObject cached_open(const Node& node, LayerIndex layer);
  void cache_open(const Node& node, LayerIndex layer, OpenObject fd);
  void drop_open(const Node& node);
  /// When descriptors run short.
  void drop_all_open();

  /// Listings of directories that are being read; of many, those that were begun last.
  std::shared_ptr<const Listing> kept_listing(const Node& node);
  void keep_listing(Node& node, std::shared_ptr<const Listing> listing);

 private:
  struct Place {
    const Node* parent;
    std::string_view name;  ///< Of the node's own string, or of the question.
    bool operator==(const Place&) const = default;
  };
  struct PlaceHash {
    std::size_t operator()(const Place& place) const noexcept;
  };
  struct BackingHash {
    std::size_t operator()(const BackingId& id) const noexcept { return id.inode * 31 + id.device; }
  };
  struct Open {
    const Node* node;
    LayerIndex layer;
    OpenObject fd;
  };
  struct OpenKey {
    const Node* node;
    LayerIndex layer;
    bool operator==(const OpenKey&) const = default;
  };
  struct OpenHash {
    std::size_t operator()(const OpenKey& key) const noexcept;
  };
  using Recent = std::list<Open>;

  void place(Node& node, Node& parent, std::string_view name);
  void unplace(Node& node);
  void unshare(Node& node);
  void release(Node* node);

  Node root_;
  std::function<void(const Node&)> at_end_;
  mutable std::mutex mutex_;  ///< Guards the two maps and the counts of all nodes.
  std::unordered_map<Place, Node*, PlaceHash> places_;
  std::unordered_map<BackingId, Node*, BackingHash> shared_;

  std::mutex listing_mutex_;  ///< Innermost. Guards the listings of all nodes, and `listed_`.
  std::deque<Node*> listed_;

  std::mutex open_mutex_;  ///< Innermost. Guards what follows.
  std::size_t capacity_;
  Recent recent_;
  std::unordered_map<OpenKey, Recent::iterator, OpenHash> open_;
};

}  // namespace sandbox::overlay
