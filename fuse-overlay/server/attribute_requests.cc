// Requests about attributes, ordinary and extended, and about the file system.
#include "fuse-overlay/server/operations.h"
#include "fuse-overlay/server/wire.h"

namespace sandbox::overlay {
namespace {

void get_attributes(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) {
  answered(request, [&] {
    const struct stat status = overlay_of(request).attributes(node_of(request, ino));
    fuse_reply_attr(request, &status, served(request).timeout());
  });
}

AttributeChange to_change(const struct stat& wanted, int set) {
  AttributeChange change;
  if (set & FUSE_SET_ATTR_MODE) change.mode = wanted.st_mode;
  if (set & FUSE_SET_ATTR_UID) change.uid = wanted.st_uid;
  if (set & FUSE_SET_ATTR_GID) change.gid = wanted.st_gid;
  if (set & FUSE_SET_ATTR_SIZE) change.size = wanted.st_size;
  change.drops_set_ids = wire::drops_set_ids();
  if (set & FUSE_SET_ATTR_ATIME) change.times[0] = wanted.st_atim;
  if (set & FUSE_SET_ATTR_MTIME) change.times[1] = wanted.st_mtim;
  if (set & FUSE_SET_ATTR_ATIME_NOW) change.times[0].tv_nsec = UTIME_NOW;
  if (set & FUSE_SET_ATTR_MTIME_NOW) change.times[1].tv_nsec = UTIME_NOW;
  return change;
}

void set_attributes(fuse_req_t request, fuse_ino_t ino, struct stat* wanted, int set, fuse_file_info*) {
  answered(request, [&] {
    const struct stat status = overlay_of(request).change(node_of(request, ino), to_change(*wanted, set));
    fuse_reply_attr(request, &status, served(request).timeout());
  });
}

void read_link(fuse_req_t request, fuse_ino_t ino) {
  answered(request, [&] {
    const std::string target = overlay_of(request).read_link(node_of(request, ino));
    fuse_reply_readlink(request, target.c_str());
  });
}

void file_system_status(fuse_req_t request, fuse_ino_t) {
  answered(request, [&] {
    const struct statvfs status = overlay_of(request).file_system();
    fuse_reply_statfs(request, &status);
  });
}

void get_extended(fuse_req_t request, fuse_ino_t ino, const char* name, std::size_t size) {
  answered(request, [&] {
    const auto value = overlay_of(request).attribute(node_of(request, ino), name, size);
    if (!value) {
      fuse_reply_err(request, value.error().value);
    } else if (size == 0) {
      fuse_reply_xattr(request, value->size());
    } else {
      fuse_reply_buf(request, value->data(), value->size());
    }
  });
}

void list_extended(fuse_req_t request, fuse_ino_t ino, std::size_t size) {
  answered(request, [&] {
    const std::string names = overlay_of(request).attribute_names(node_of(request, ino));
    if (size == 0) {
      fuse_reply_xattr(request, names.size());
    } else if (names.size() > size) {
      fuse_reply_err(request, ERANGE);
    } else {
      fuse_reply_buf(request, names.data(), names.size());
    }
  });
}

void set_extended(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value, std::size_t size,
                  int flags) {
  answered(request, [&] {
    overlay_of(request).set_attribute(node_of(request, ino), name, {value, size}, flags);
    fuse_reply_err(request, 0);
  });
}

void remove_extended(fuse_req_t request, fuse_ino_t ino, const char* name) {
  answered(request, [&] {
    overlay_of(request).remove_attribute(node_of(request, ino), name);
    fuse_reply_err(request, 0);
  });
}

}  // namespace

void add_attribute_operations(fuse_lowlevel_ops& operations) {
  operations.getattr = get_attributes;
  operations.setattr = set_attributes;
  operations.readlink = read_link;
  operations.statfs = file_system_status;
  operations.getxattr = get_extended;
  operations.listxattr = list_extended;
  operations.setxattr = set_extended;
  operations.removexattr = remove_extended;
}

}  // namespace sandbox::overlay
