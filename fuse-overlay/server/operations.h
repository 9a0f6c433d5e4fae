// FUSE requests answered from the merged tree. libfuse calls these functions on the server's threads; none
// may throw, so each runs its body in `answered`, whose last act is the one reply: after it, what the request names may
// be gone.
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <new>

#include "fuse-overlay/tree/overlay.h"

namespace sandbox::overlay {

/// User data of the session.
struct Served {
  Overlay& overlay;
  bool lower_may_change = false;
  // What the kernel has offered to do without.
  bool leaves_out_open = false, leaves_out_opendir = false;
  /// Nobody but this server changes the tree, so that the kernel's caches hold until it says otherwise.
  double timeout() const { return lower_may_change ? 1.0 : 86400.0; }
};

inline Served& served(fuse_req_t request) { return *static_cast<Served*>(fuse_req_userdata(request)); }
inline Overlay& overlay_of(fuse_req_t request) { return served(request).overlay; }

inline Node& node_of(fuse_req_t request, fuse_ino_t ino) {
  return ino == FUSE_ROOT_ID ? overlay_of(request).root() : *reinterpret_cast<Node*>(ino);
}

inline Creator creator_of(fuse_req_t request) {
  const fuse_ctx* context = fuse_req_ctx(request);
  return {context->uid, context->gid};
}

fuse_entry_param to_parameters(fuse_req_t request, const Entry& entry);

template <class Body>
void answered(fuse_req_t request, Body body) noexcept {
  int error = EIO;
  try {
    body();
    return;
  } catch (const Failure& failure) {
    error = failure.error;
  } catch (const std::bad_alloc&) {
    error = ENOMEM;
  } catch (...) {
    error = EIO;
  }
  fuse_reply_err(request, error);
}

void add_name_operations(fuse_lowlevel_ops& operations);       // name_requests.cc
void add_directory_operations(fuse_lowlevel_ops& operations);  // directory_requests.cc
void add_file_operations(fuse_lowlevel_ops& operations);       // file_requests.cc
void add_attribute_operations(fuse_lowlevel_ops& operations);  // attribute_requests.cc

}  // namespace sandbox::overlay
