// Requests about open files and their data.
#include "fuse-overlay/server/operations.h"
#include "sandbox/base/sys.h"

namespace sandbox::overlay {
namespace {

OpenFile& file_of(const fuse_file_info* info) { return *reinterpret_cast<OpenFile*>(info->fh); }

void hand_out(fuse_req_t request, fuse_file_info* info, OpenFile* file) {
  info->fh = reinterpret_cast<std::uint64_t>(file);
  info->keep_cache = served(request).lower_may_change ? 0 : 1;
}

void open_file(fuse_req_t request, fuse_ino_t ino, fuse_file_info* info) {
  answered(request, [&] {
    auto file = overlay_of(request).open(node_of(request, ino), info->flags);
    hand_out(request, info, file.get());
    if (fuse_reply_open(request, info) == 0) file.release();
  });
}

void create_file(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
  answered(request, [&] {
    Overlay& overlay = overlay_of(request);
    auto created = overlay.create(node_of(request, parent), name, mode, info->flags, creator_of(request));
    hand_out(request, info, created.file.get());
    const fuse_entry_param parameters = to_parameters(request, created.entry);
    if (fuse_reply_create(request, &parameters, info) == 0) {
      created.file.release();
    } else {
      overlay.forget(*created.entry.node, 1);
    }
  });
}

void release_file(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
  delete &file_of(info);
  fuse_reply_err(request, 0);
}

void read_file(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
  answered(request, [&] {
    thread_local std::vector<char> buffer;
    if (buffer.size() < size) buffer.resize(size);
    const auto fd = overlay_of(request).current(file_of(info));
    std::size_t filled = 0;
    while (filled < size) {
      const auto at = offset + static_cast<off_t>(filled);
      const std::size_t count = check(sys::pread(fd->get(), buffer.data() + filled, size - filled, at));
      if (count == 0) break;
      filled += count;
    }
    fuse_reply_buf(request, buffer.data(), filled);
  });
}

void write_file(fuse_req_t request, fuse_ino_t, const char* data, std::size_t size, off_t offset, fuse_file_info* info) {
  answered(request, [&] {
    check(sys::pwrite_all(overlay_of(request).current(file_of(info))->get(), data, size, offset));
    fuse_reply_write(request, size);
  });
}

void sync_file(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
  answered(request, [&] {
    Overlay& overlay = overlay_of(request);
    const auto fd = overlay.current(file_of(info));
    overlay.announce_waiting();
    check(data_only != 0 ? sys::fdatasync(fd->get()) : sys::fsync(fd->get()));
    fuse_reply_err(request, 0);
  });
}

void allocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t size, fuse_file_info* info) {
  answered(request, [&] {
    check(sys::fallocate(overlay_of(request).current(file_of(info))->get(), mode, offset, size));
    fuse_reply_err(request, 0);
  });
}

void seek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
  answered(request, [&] {
    fuse_reply_lseek(request, check(sys::lseek(overlay_of(request).current(file_of(info))->get(), offset, whence)));
  });
}

void copy_range(fuse_req_t request, fuse_ino_t, off_t from_offset, fuse_file_info* from, fuse_ino_t, off_t to_offset,
                fuse_file_info* to, std::size_t size, int) {
  answered(request, [&] {
    Overlay& overlay = overlay_of(request);
    const auto source = overlay.current(file_of(from)), target = overlay.current(file_of(to));
    overlay.announce_waiting();
    fuse_reply_write(request, check(sys::copy_file_range(source->get(), &from_offset, target->get(), &to_offset, size)));
  });
}

}  // namespace

void add_file_operations(fuse_lowlevel_ops& operations) {
  operations.open = open_file;
  operations.create = create_file;
  operations.release = release_file;
  operations.read = read_file;
  operations.write = write_file;
  operations.fsync = sync_file;
  operations.fallocate = allocate;
  operations.lseek = seek;
  operations.copy_file_range = copy_range;
}

}  // namespace sandbox::overlay
