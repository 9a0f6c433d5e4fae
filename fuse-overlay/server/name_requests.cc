// Requests about names: lookup and forget, new objects, links, removal, renaming.
#include "fuse-overlay/server/operations.h"

namespace sandbox::overlay {

fuse_entry_param to_parameters(fuse_req_t request, const Entry& entry) {
  fuse_entry_param parameters{};
  parameters.ino = reinterpret_cast<fuse_ino_t>(entry.node);
  parameters.attr = entry.status;
  parameters.attr_timeout = parameters.entry_timeout = served(request).timeout();
  return parameters;
}

namespace {

/// A reply that the kernel did not take leaves the lookup with us.
void reply(fuse_req_t request, const Entry& entry) {
  Overlay& overlay = overlay_of(request);
  const fuse_entry_param parameters = to_parameters(request, entry);
  if (fuse_reply_entry(request, &parameters) != 0) overlay.forget(*entry.node, 1);
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answered(request, [&] {
    const auto entry = overlay_of(request).lookup(node_of(request, parent), name);
    if (entry) return reply(request, *entry);
    fuse_entry_param absent{};  // number 0: the absence itself may be cached
    absent.entry_timeout = served(request).timeout();
    fuse_reply_entry(request, &absent);
  });
}

void forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) {
  if (ino != FUSE_ROOT_ID) overlay_of(request).forget(node_of(request, ino), lookups);
  fuse_reply_none(request);
}

void forget_many(fuse_req_t request, std::size_t count, fuse_forget_data* list) {
  for (std::size_t i = 0; i < count; ++i) {
    if (list[i].ino != FUSE_ROOT_ID) overlay_of(request).forget(node_of(request, list[i].ino), list[i].nlookup);
  }
  fuse_reply_none(request);
}

void make_node(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  answered(request, [&] {
    Overlay& overlay = overlay_of(request);
    Node& directory = node_of(request, parent);
    reply(request, S_ISREG(mode) ? overlay.create(directory, name, mode, creator_of(request))
                                 : overlay.make_special(directory, name, mode, creator_of(request)));
  });
}

void make_directory(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  answered(request, [&] {
    reply(request, overlay_of(request).make_directory(node_of(request, parent), name, mode, creator_of(request)));
  });
}

void make_symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  answered(request, [&] {
    reply(request, overlay_of(request).make_symlink(node_of(request, parent), name, target, creator_of(request)));
  });
}

void make_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) {
  answered(request, [&] {
    reply(request, overlay_of(request).make_link(node_of(request, ino), node_of(request, parent), name));
  });
}

void remove_file(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answered(request, [&] {
    overlay_of(request).remove(node_of(request, parent), name, false);
    fuse_reply_err(request, 0);
  });
}

void remove_directory(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answered(request, [&] {
    overlay_of(request).remove(node_of(request, parent), name, true);
    fuse_reply_err(request, 0);
  });
}

void rename_name(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
                 unsigned flags) {
  answered(request, [&] {
    overlay_of(request).rename(node_of(request, parent), name, node_of(request, new_parent), new_name, flags,
                               [request] { return fuse_req_interrupted(request) != 0; });
    fuse_reply_err(request, 0);
  });
}

}  // namespace

void add_name_operations(fuse_lowlevel_ops& operations) {
  operations.lookup = lookup;
  operations.forget = forget;
  operations.forget_multi = forget_many;
  operations.mknod = make_node;
  operations.mkdir = make_directory;
  operations.symlink = make_symlink;
  operations.link = make_link;
  operations.unlink = remove_file;
  operations.rmdir = remove_directory;
  operations.rename = rename_name;
}

}  // namespace sandbox::overlay
