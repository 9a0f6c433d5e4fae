#include "fuse-overlay/tree/node.h"

#include <functional>

namespace sandbox::overlay {

std::size_t NodeTable::PlaceHash::operator()(const Place& place) const noexcept {
  return std::hash<std::string_view>()(place.name) ^ (std::hash<const Node*>()(place.parent) * 0x9E3779B97F4A7C15ULL);
}

std::size_t NodeTable::OpenHash::operator()(const OpenKey& key) const noexcept {
  return std::hash<const Node*>()(key.node) * 0x9E3779B97F4A7C15ULL + key.layer;
}

NodeTable::~NodeTable() {
  std::vector<Node*> all;
  for (const auto& [key, node] : places_) all.push_back(node);
  places_.clear();
  // Nodes without a place are known to the kernel only; with the process's end they go, too.
  for (Node* node : all) delete node;
}

std::size_t NodeTable::size() const {
  const std::lock_guard lock(mutex_);
  return places_.size();
}

void NodeTable::place(Node& node, Node& parent, std::string_view name) {
  node.parent = &parent;
  node.name = name;
  ++parent.children;
  places_.erase(Place{node.parent, node.name});  // its key would be another node's string
  places_.emplace(Place{node.parent, node.name}, &node);
}

/// The parent's count stays: see release().
void NodeTable::unplace(Node& node) {
  const auto found = places_.find(Place{node.parent, node.name});
  if (found != places_.end() && found->second == &node) places_.erase(found);
}

Node& NodeTable::obtain(Node& parent, std::string_view name, const Found& found) {
  const bool may_be_shared = !S_ISDIR(found.status.st_mode);
  const BackingId id = may_be_shared ? BackingId{found.status.st_dev, found.status.st_ino} : BackingId{};
  const std::lock_guard lock(mutex_);
  Node* node = nullptr;
  if (const auto at = places_.find(Place{&parent, name}); at != places_.end()) node = at->second;
  if (node == nullptr && may_be_shared) {
    if (const auto at = shared_.find(id); at != shared_.end()) node = at->second;
  }
  if (node != nullptr && node->type != (found.status.st_mode & S_IFMT)) {
    unplace(*node);  // a lower layer was changed from outside; the kernel's old inode lives on without a name
    node = nullptr;
  }
  if (node == nullptr) {
    auto made = std::make_unique<Node>();
    made->ino = found.ino;
    made->type = found.status.st_mode & S_IFMT;
    made->top = found.top;
    made->layers = found.layers;
    made->marked = found.marked;
    place(*made, parent, name);
    node = made.release();
    if (may_be_shared && found.status.st_nlink > 1) {
      shared_[id] = node;
      node->shared = id;
    }
  }
  ++node->lookups;
  return *node;
}

Node& NodeTable::obtain_unnamed(Node& directory, const Found& found, Fd pinned) {
  auto made = std::make_unique<Node>();
  made->ino = found.ino;
  made->type = found.status.st_mode & S_IFMT;
  made->top = found.top;
  made->pinned = std::move(pinned);
  made->lookups = 1;
  made->parent = &directory;
  const std::lock_guard lock(mutex_);
  ++directory.children;
  return *made.release();
}

void NodeTable::count(Node& node) {
  const std::lock_guard lock(mutex_);
  ++node.lookups;
}

Node* NodeTable::find(const Node& parent, std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(Place{&parent, name});
  return found == places_.end() ? nullptr : found->second;
}

Node* NodeTable::find_counted(const Node& parent, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(Place{&parent, name});
  if (found == places_.end()) return nullptr;
  ++found->second->lookups;
  return found->second;
}

void NodeTable::forget(Node& node, std::uint64_t lookups) {
  const std::lock_guard lock(mutex_);
  node.lookups -= std::min(lookups, node.lookups);
  release(&node);
}

/// Frees `node` and then its ancestors, as far as nobody needs them.
void NodeTable::release(Node* node) {
  while (node != &root_ && node->lookups == 0 && node->children == 0) {
    unplace(*node);
    unshare(*node);
    drop_open(*node);
    if (at_end_) at_end_(*node);
    if (node->is_directory()) keep_listing(*node, nullptr);
    Node* parent = node->parent;
    delete node;
    --parent->children;
    node = parent;
  }
}

Node* NodeTable::find_shared(BackingId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = shared_.find(id);
  return found == shared_.end() ? nullptr : found->second;
}

void NodeTable::unshare(Node& node) {
  const auto found = shared_.find(node.shared);
  if (found != shared_.end() && found->second == &node) shared_.erase(found);
  node.shared = {};
}

void NodeTable::share(Node& node, BackingId id) {
  const std::lock_guard lock(mutex_);
  unshare(node);
  if (id == BackingId{}) return;
  node.shared = id;
  shared_[id] = &node;
}

void NodeTable::detach(Node& node) {
  const std::lock_guard lock(mutex_);
  unplace(node);
  if (node.is_directory()) drop_open(node);
}

void NodeTable::move(Node& node, Node& parent, std::string_view name) {
  const std::lock_guard lock(mutex_);
  unplace(node);
  Node* before = node.parent;
  place(node, parent, name);
  --before->children;
  release(before);
}

void NodeTable::exchange(Node* left, Node& left_parent, std::string_view left_name, Node* right, Node& right_parent,
                         std::string_view right_name) {
  const std::lock_guard lock(mutex_);
  // The parents of both stay referenced throughout: each loses one child and gains one, or is in use by the kernel.
  if (left != nullptr) unplace(*left);
  if (right != nullptr) unplace(*right);
  const auto settle = [&](Node* node, Node& parent, std::string_view name) {
    if (node == nullptr) return;
    --node->parent->children;
    place(*node, parent, name);
  };
  settle(left, right_parent, right_name);
  settle(right, left_parent, left_name);
}

std::shared_ptr<const Listing> NodeTable::kept_listing(const Node& node) {
  const std::lock_guard lock(listing_mutex_);
  return node.listing;
}

void NodeTable::keep_listing(Node& node, std::shared_ptr<const Listing> listing) {
  constexpr std::size_t kMost = 64;
  const std::lock_guard lock(listing_mutex_);
  if (node.listing == nullptr && listing != nullptr) listed_.push_back(&node);
  if (node.listing != nullptr && listing == nullptr) std::erase(listed_, &node);
  node.listing.swap(listing);
  if (listed_.size() <= kMost) return;
  listed_.front()->listing = nullptr;
  listed_.pop_front();
}

OpenObject NodeTable::cached_open(const Node& node, LayerIndex layer) {
  const std::lock_guard lock(open_mutex_);
  const auto found = open_.find(OpenKey{&node, layer});
  if (found == open_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->fd;
}

void NodeTable::cache_open(const Node& node, LayerIndex layer, OpenObject fd) {
  OpenObject dropped;  // closed after the lock is released
  const std::lock_guard lock(open_mutex_);
  const auto [at, is_new] = open_.try_emplace(OpenKey{&node, layer});
  if (!is_new) return;
  recent_.push_front({&node, layer, std::move(fd)});
  at->second = recent_.begin();
  if (recent_.size() <= capacity_) return;
  open_.erase(OpenKey{recent_.back().node, recent_.back().layer});
  dropped = std::move(recent_.back().fd);
  recent_.pop_back();
}

void NodeTable::drop_open(const Node& node) {
  const std::lock_guard lock(open_mutex_);
  const auto drop = [&](LayerIndex layer) {
    const auto found = open_.find(OpenKey{&node, layer});
    if (found == open_.end()) return;
    recent_.erase(found->second);
    open_.erase(found);
  };
  drop(node.top);
  for (const LayerIndex layer : node.layers) drop(layer);
}

void NodeTable::drop_all_open() {
  Recent dropped;
  const std::lock_guard lock(open_mutex_);
  open_.clear();
  dropped.swap(recent_);
}

}  // namespace sandbox::overlay
