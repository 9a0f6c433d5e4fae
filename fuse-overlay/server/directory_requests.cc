// Requests about directories' contents. There are no handles: a listing is made when reading begins, kept while
// somebody reads on, and made again when it is gone; a name's cookie stays the same.
#include <span>

#include "fuse-overlay/server/operations.h"

namespace sandbox::overlay {
namespace {

/// Asked once where the kernel can do without, and always where it can't or may not.
void open_directory(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  answered(request, [&] {
    const Served& server = served(request);
    if (server.leaves_out_opendir) throw Failure{ENOSYS};
    info->fh = 0;
    info->cache_readdir = info->keep_cache = server.lower_may_change ? 0 : 1;
    fuse_reply_open(request, info);
  });
}

void sync_directory(fuse_req_t request, fuse_ino_t ino, int, fuse_file_info*) {
  answered(request, [&] {
    overlay_of(request).sync_directory(node_of(request, ino));
    fuse_reply_err(request, 0);
  });
}

struct Page {
  fuse_req_t request;
  std::span<char> bytes;  ///< libfuse writes every byte of what is used.
  std::size_t used = 0;

  Page(fuse_req_t of, std::size_t size) : request(of) {
    thread_local std::vector<char> buffer;
    if (buffer.size() < size) buffer.resize(size);
    bytes = std::span(buffer).first(size);
  }

  bool add(const DirectoryItem& item) {
    struct stat status{};
    status.st_ino = item.ino;
    status.st_mode = item.type;
    const std::size_t left = bytes.size() - used;
    const std::size_t size =
        fuse_add_direntry(request, bytes.data() + used, left, item.name.c_str(), &status, item.cookie);
    if (size > left) return false;
    used += size;
    return true;
  }

  /// With attributes, as a lookup of the name would answer.
  bool add_looked_up(Node& directory, const Listing& listing, std::size_t index) {
    const DirectoryItem& item = listing.items[index];
    const std::size_t left = bytes.size() - used;
    const std::size_t size = fuse_add_direntry_plus(request, nullptr, 0, item.name.c_str(), nullptr, 0);
    if (size > left) return false;
    fuse_entry_param parameters{};
    parameters.attr.st_ino = item.ino;
    parameters.attr.st_mode = item.type;
    if (item.name != "." && item.name != "..") {
      std::optional<Entry> entry;
      try {
        entry = overlay_of(request).lookup_listed(directory, listing, index);
      } catch (const Failure&) {
        // The name is shown; whoever asks for more gets the error.
      }
      if (entry) parameters = to_parameters(request, *entry);
    }
    fuse_add_direntry_plus(request, bytes.data() + used, left, item.name.c_str(), &parameters, item.cookie);
    used += size;
    return true;
  }
};

template <bool plus>
void read_directory(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info*) {
  answered(request, [&] {
    Overlay& overlay = overlay_of(request);
    Node& node = node_of(request, ino);
    Page page(request, size);
    const auto listing = overlay.list(node, offset == 0);
    const auto& items = listing->items;
    const auto first = std::upper_bound(items.begin(), items.end(), offset,
                                        [](off_t cookie, const DirectoryItem& item) { return cookie < item.cookie; });
    if (first == items.end()) overlay.end_list(node);
    auto next = static_cast<std::size_t>(first - items.begin());
    while (next < items.size() && (plus ? page.add_looked_up(node, *listing, next) : page.add(items[next]))) ++next;
    if (page.used > 0 && next == items.size() && !served(request).lower_may_change) overlay.note_listed(node, *listing);
    fuse_reply_buf(request, page.bytes.data(), page.used);
  });
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& operations) {
  operations.opendir = open_directory;
  operations.fsyncdir = sync_directory;
  operations.readdir = read_directory<false>;
  operations.readdirplus = read_directory<true>;
}

}  // namespace sandbox::overlay
