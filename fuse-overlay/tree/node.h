// What the kernel knows of the merged tree, in memory of the FUSE server: one Node per inode number
// given out, found by its place (parent and name), and for files with several names by their backing.
// Any worker thread.
//
// Invariants: a node lives as long as the kernel counts lookups of it, or a child has its place in it;
// a node that has lost its name keeps its object in `pinned`.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sandbox/base/fd.h"

namespace sandbox::overlay {

/// Position in the stack of layers, 0 is the top-most.
using LayerIndex = std::uint16_t;

/// A directory of one layer, open (O_PATH) as long as somebody uses it.
using DirectoryFd = std::shared_ptr<const Fd>;

/// Identity of an object on disk.
struct BackingId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const BackingId&) const = default;
};

/// The mutable part is guarded by the overlay's tree lock, but for the counts: by the table's lock.
struct Node {
  Node* parent = nullptr;  ///< nullptr: the root.
  std::string name;
  std::uint64_t ino = 0;   ///< st_ino: stable while the node lives, and across copy-up.
  mode_t type = 0;         ///< S_IFMT bits.
  LayerIndex top = 0;      ///< The layer that holds the object.
  std::vector<LayerIndex> layers;  ///< Directories: the layers whose entries are merged, top-most first.
  Fd pinned;               ///< The object itself (O_PATH), once it has no place any more.

  std::uint64_t lookups = 0;
  std::uint64_t children = 0;
  BackingId shared{};      ///< Set when registered as a file with several names.

  bool is_directory() const { return S_ISDIR(type); }
  bool is_removed() const { return static_cast<bool>(pinned); }
};

/// What a name stands for, as found in the layers.
struct Found {
  struct stat status {};
  std::uint64_t ino = 0;
  LayerIndex top = 0;
  std::vector<LayerIndex> layers;
};

class NodeTable {
 public:
  explicit NodeTable(std::size_t directory_capacity) : capacity_(directory_capacity) {}
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;
  ~NodeTable();

  Node& root() { return root_; }
  std::size_t size() const;

  /// The node at this place, made when absent, with one more lookup counted. `shared` set: a file that
  /// may have other names, which then share one node.
  Node& obtain(Node& parent, std::string_view name, const Found& found, BackingId shared);
  /// The node at this place, or nullptr; nothing is counted.
  Node* find(const Node& parent, std::string_view name) const;
  void forget(Node& node, std::uint64_t lookups);

  /// A node whose file gets a second name.
  void share(Node& node, BackingId id);
  /// Precondition of these three: the tree lock is held exclusively.
  void detach(Node& node);
  void move(Node& node, Node& parent, std::string_view name);
  void exchange(Node* left, Node& left_parent, std::string_view left_name, Node* right, Node& right_parent,
                std::string_view right_name);

  /// Cache of open directories, least recently used dropped first.
  DirectoryFd cached_directory(const Node& node, LayerIndex layer);
  void cache_directory(const Node& node, LayerIndex layer, DirectoryFd fd);
  void drop_directories(const Node& node);

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
  struct OpenDirectory {
    const Node* node;
    LayerIndex layer;
    DirectoryFd fd;
  };
  struct OpenKey {
    const Node* node;
    LayerIndex layer;
    bool operator==(const OpenKey&) const = default;
  };
  struct OpenHash {
    std::size_t operator()(const OpenKey& key) const noexcept;
  };
  using Recent = std::list<OpenDirectory>;

  void place(Node& node, Node& parent, std::string_view name);
  void unplace(Node& node);
  void release(Node* node);

  Node root_;
  mutable std::mutex mutex_;  ///< Guards the two maps and the counts of all nodes.
  std::unordered_map<Place, Node*, PlaceHash> places_;
  std::unordered_map<BackingId, Node*, BackingHash> shared_;

  std::mutex open_mutex_;  ///< Innermost lock. Guards what follows.
  std::size_t capacity_;
  Recent recent_;
  std::unordered_map<OpenKey, Recent::iterator, OpenHash> open_;
};

}  // namespace sandbox::overlay
