// What will probably be asked next. Whoever walks through a tree (find, tar, cp -a, du) reads a directory and then, one
// after the other, those in it: while such a program digests one answer, threads of the server that have nothing else
// to do look through the directories that come next. What they found is used only while nothing has begun since that may
// change the tree (changes.h).
#include "fuse-overlay/tree/overlay.h"

namespace sandbox::overlay {
namespace {

constexpr std::size_t kMostExpected = 1024;  // directories
constexpr std::size_t kAhead = 4;            // directories whose listings are made
constexpr std::size_t kLongest = 512;        // entries of such a listing: some 0.1 ms
constexpr std::size_t kPiece = 4;            // entries

}  // namespace

void Overlay::note_listed(Node& directory, const Listing& listing) {
  const std::lock_guard lock(walk_.mutex);
  auto& expected = walk_.expected;
  const auto is_it = [&directory](const Held& held) { return held.get() == &directory; };
  const auto at = std::find_if(expected.rbegin(), expected.rend(), is_it);
  walk_.is_seen = at != expected.rend();
  expected.erase(walk_.is_seen ? std::prev(at.base()) : expected.begin(), expected.end());
  for (std::size_t i = listing.items.size(); i-- > Listing::kDots;) {
    if (!S_ISDIR(listing.items[i].type)) continue;
    if (Node* node = table_.find_counted(directory, listing.items[i].name)) expected.emplace_back(*this, *node);
  }
  if (expected.size() > kMostExpected) expected.erase(expected.begin(), expected.end() - kMostExpected);
  walk_.looked_at = 0;
  walk_.listing = nullptr;
}

bool Overlay::work_ahead() {
  const std::unique_lock lock(walk_.mutex, std::try_to_lock);
  if (!lock || !walk_.is_seen) return false;
  try {
    const Shared tree(tree_lock_);
    if (walk_.listing != nullptr) return find_ahead();
    return walk_.looked_at < std::min(kAhead, walk_.expected.size()) && list_ahead();
  } catch (...) {  // no memory, perhaps: libfuse, which is written in C, has called us
    walk_.is_seen = false;  // whoever asks gets the error
  }
  return false;
}

bool Overlay::list_ahead() {
  Node& next = *walk_.next();
  const auto as_of = changes_.settled();
  if (!as_of) return false;
  const auto kept = table_.kept_listing(next);
  Items items;
  if (kept == nullptr || kept->as_of != as_of) items = list_merged(next, kLongest);
  if (items.empty() || items.size() >= kLongest) {
    ++walk_.looked_at;
  } else {
    walk_.listing = std::make_shared<Listing>(Listing{sorted(next, std::move(items)), as_of, {}});
    walk_.listing->found.resize(Listing::kDots);
  }
  return true;
}

bool Overlay::find_ahead() {
  Listing& listing = *walk_.listing;
  if (!changes_.is_still(*listing.as_of)) return walk_.is_seen = false;
  Node& next = *walk_.next();
  for (std::size_t i = 0; i < kPiece && listing.found.size() < listing.items.size(); ++i) {
    auto found = find(next, listing.items[listing.found.size()].name);
    if (found && has_hidden_links(*found)) found.reset();
    listing.found.push_back(std::move(found));
  }
  if (listing.found.size() == listing.items.size()) keep_listing_ahead();
  return true;
}

void Overlay::keep_listing_ahead() {
  table_.keep_listing(*walk_.next(), std::exchange(walk_.listing, nullptr));
  ++walk_.looked_at;
}

void Overlay::finish_listing_ahead(const Node& directory) {
  const std::lock_guard lock(walk_.mutex);
  if (walk_.listing != nullptr && walk_.next() == &directory) keep_listing_ahead();
}

std::optional<Entry> Overlay::lookup_listed(Node& directory, const Listing& listing, std::size_t item) {
  const std::string& name = listing.items[item].name;
  if (item < listing.found.size() && listing.found[item]) {
    const Shared lock(tree_lock_);
    if (changes_.is_still(*listing.as_of)) return entry_for(directory, name, *listing.found[item]);
  }
  return lookup(directory, name);
}

}  // namespace sandbox::overlay
