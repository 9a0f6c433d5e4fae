// Requests about the data of regular files. The kernel is told that opening takes no request, so that there are
// no handles: every request names the node.
#include "fuse-overlay/server/operations.h"
#include "fuse-overlay/server/wire.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

/// Asked once where the kernel can do without, and always where it can't or may not.
void open_file(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  answered(request, [&] {
    const Served& server = served(request);
    if (server.leaves_out_open) throw Failure{ENOSYS};
    const bool writes = (info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0;
    if (writes && !server.overlay.is_writable()) throw Failure{EROFS};
    info->fh = 0;
    info->keep_cache = server.lower_may_change ? 0 : 1;
    fuse_reply_open(request, info);
  });
}

void create_file(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  answered(request, [&] {
    // The kernel makes a node and opens it then, which takes no request, nor does closing it.
    if (served(request).leaves_out_open && !wire::is_unnamed()) throw Failure{ENOSYS};
    Overlay& overlay = overlay_of(request);
    Node& directory = node_of(request, parent);
    const Entry entry = wire::is_unnamed() ? overlay.create_unnamed(directory, mode, creator_of(request))
                                           : overlay.create(directory, name, mode, creator_of(request));
    info->fh = 0;
    info->keep_cache = 1;
    const fuse_entry_param parameters = to_parameters(request, entry);
    if (fuse_reply_create(request, &parameters, info) != 0) overlay.forget(*entry.node, 1);
  });
}

/// From so much on the data goes from the file's pages to the reader's by a pipe, and is copied once.
constexpr std::size_t kSpliced = 16 * 1024;

void read_file(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info*) {
  answered(request, [&] {
    const OpenObject file = overlay_of(request).readable(node_of(request, ino));
    if (size >= kSpliced) {
      fuse_bufvec data = FUSE_BUFVEC_INIT(size);
      data.buf[0].flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK);
      data.buf[0].fd = file->get();
      data.buf[0].pos = offset;
      fuse_reply_data(request, &data, fuse_buf_copy_flags{});
      return;
    }
    thread_local std::vector<char> buffer;
    if (buffer.size() < size) buffer.resize(size);
    std::size_t filled = 0;
    while (filled < size) {
      const auto at = offset + static_cast<off_t>(filled);
      const std::size_t count = check(sys::pread(file->get(), buffer.data() + filled, size - filled, at));
      if (count == 0) break;
      filled += count;
    }
    fuse_reply_buf(request, buffer.data(), filled);
  });
}

void write_file(fuse_req_t request, fuse_ino_t ino, const char* data, std::size_t size, off_t offset, fuse_file_info*) {
  answered(request, [&] {
    Overlay& overlay = overlay_of(request);
    const Overlay::Write write{data, size, offset, wire::drops_set_ids(), wire::is_synchronous()};
    fuse_reply_write(request, overlay.write(node_of(request, ino), write));
  });
}

void sync_file(fuse_req_t request, fuse_ino_t ino, int data_only, fuse_file_info*) {
  answered(request, [&] {
    Overlay& overlay = overlay_of(request);
    const OpenObject file = overlay.readable(node_of(request, ino));
    overlay.announce_waiting();
    check(data_only != 0 ? sys::fdatasync(file->get()) : sys::fsync(file->get()));
    fuse_reply_err(request, 0);
  });
}

void allocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t size, fuse_file_info*) {
  answered(request, [&] {
    overlay_of(request).allocate(node_of(request, ino), mode, offset, size);
    fuse_reply_err(request, 0);
  });
}

void seek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, fuse_file_info*) {
  answered(request, [&] {
    fuse_reply_lseek(request,
                     check(sys::lseek(overlay_of(request).readable(node_of(request, ino))->get(), offset, whence)));
  });
}

void copy_range(fuse_req_t request, fuse_ino_t from, off_t from_offset, fuse_file_info*, fuse_ino_t to, off_t to_offset,
                fuse_file_info*, std::size_t size, int) {
  answered(request, [&] {
    Node &source = node_of(request, from), &target = node_of(request, to);
    fuse_reply_write(request, overlay_of(request).copy_range(source, from_offset, target, to_offset, size));
  });
}

}  // namespace

void add_file_operations(fuse_lowlevel_ops& operations) {
  operations.open = open_file;
  operations.create = create_file;
  operations.read = read_file;
  operations.write = write_file;
  operations.fsync = sync_file;
  operations.fallocate = allocate;
  operations.lseek = seek;
  operations.copy_file_range = copy_range;
}

}  // namespace sandbox::overlay
