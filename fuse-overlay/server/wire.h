// What a request says beyond what libfuse 3.14 passes on to its callbacks: the kernel's own structures (linux/fuse.h).
// Everything here is about the request that the calling worker thread answers.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace sandbox::overlay::wire {

/// Called with each request as it was read, before libfuse sees it; returns its opcode. O_TMPFILE, which libfuse
/// doesn't know, becomes a creation: FUSE_TMPFILE has the arguments and the answer of FUSE_CREATE.
std::uint32_t begin(void* request, std::size_t size) noexcept;

/// Called with each answer that libfuse sends. That to FUSE_INIT gets the features that libfuse doesn't know.
void amend_answer(iovec* parts, int count) noexcept;

/// A creation: of a file without a name.
bool is_unnamed() noexcept;
/// A write, or a change of size: by somebody who may not keep set-ID bits (FUSE_HANDLE_KILLPRIV_V2).
bool drops_set_ids() noexcept;
/// A write to a file that was opened with O_SYNC or O_DSYNC.
bool is_synchronous() noexcept;

}  // namespace sandbox::overlay::wire
