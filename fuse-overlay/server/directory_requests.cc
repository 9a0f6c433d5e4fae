// Requests about directories' contents. A listing is made when reading begins, and stays as it is until
// the reader goes back to the beginning (readdir(3), rewinddir(3)).
#include "fuse-overlay/server/operations.h"

namespace sandbox::overlay {
namespace {

struct OpenDirectory {
  std::mutex mutex;
  bool listed = false;
  std::vector<DirectoryItem> items;
};

OpenDirectory& directory_of(const fuse_file_info* info) { return *reinterpret_cast<OpenDirectory*>(info->fh); }

void open_directory(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  answered(request, [&] {
    auto directory = std::make_unique<OpenDirectory>();
    info->fh = reinterpret_cast<std::uint64_t>(directory.get());
    info->cache_readdir = info->keep_cache = served(request).lower_may_change ? 0 : 1;
    if (fuse_reply_open(request, info) == 0) directory.release();
  });
}

void release_directory(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  delete &directory_of(info);
  fuse_reply_err(request, 0);
}

void sync_directory(fuse_req_t request, fuse_ino_t ino, int, fuse_file_info*) {
  answered(request, [&] {
    overlay_of(request).sync_directory(node_of(request, ino));
    fuse_reply_err(request, 0);
  });
}

struct Page {
  fuse_req_t request;
  std::vector<char> bytes;
  std::size_t used = 0;

  Page(fuse_req_t of, std::size_t size) : request(of), bytes(size) {}

  bool add(const DirectoryItem& item, off_t next) {
    struct stat status {};
    status.st_ino = item.ino;
    status.st_mode = item.type;
    const std::size_t left = bytes.size() - used;
    const std::size_t size = fuse_add_direntry(request, bytes.data() + used, left, item.name.c_str(), &status, next);
    if (size > left) return false;
    used += size;
    return true;
  }

  /// With attributes, as a lookup of the name would answer.
  bool add_looked_up(Node& directory, const DirectoryItem& item, off_t next) {
    const std::size_t left = bytes.size() - used;
    const std::size_t size = fuse_add_direntry_plus(request, nullptr, 0, item.name.c_str(), nullptr, 0);
    if (size > left) return false;
    fuse_entry_param parameters{};
    parameters.attr.st_ino = item.ino;
    parameters.attr.st_mode = item.type;
    if (item.name != "." && item.name != "..") {
      std::optional<Entry> entry;
      try {
        entry = overlay_of(request).lookup(directory, item.name);
      } catch (const Failure&) {
        // The name is shown; whoever asks for more gets the error.
      }
      if (entry) parameters = to_parameters(request, *entry);
    }
    fuse_add_direntry_plus(request, bytes.data() + used, left, item.name.c_str(), &parameters, next);
    used += size;
    return true;
  }
};

template <bool plus>
void read_directory(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info* info) {
  answered(request, [&] {
    OpenDirectory& open = directory_of(info);
    Node& node = node_of(request, ino);
    Page page(request, size);
    std::unique_lock lock(open.mutex);
    if (offset == 0 || !open.listed) open.items = overlay_of(request).list(node);
    open.listed = true;
    for (auto i = static_cast<std::size_t>(offset); i < open.items.size(); ++i) {
      const auto next = static_cast<off_t>(i + 1);
      if (!(plus ? page.add_looked_up(node, open.items[i], next) : page.add(open.items[i], next))) break;
    }
    lock.unlock();  // with the answer sent, another thread may get the request that frees the directory
    fuse_reply_buf(request, page.bytes.data(), page.used);
  });
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& operations) {
  operations.opendir = open_directory;
  operations.releasedir = release_directory;
  operations.fsyncdir = sync_directory;
  operations.readdir = read_directory<false>;
  operations.readdirplus = read_directory<true>;
}

}  // namespace sandbox::overlay
