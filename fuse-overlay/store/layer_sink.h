// The push side of a layer: archive bytes go in, a compressed file comes out, and the digests of both run meanwhile.
// Memory is bounded. The same bytes in give the same bytes out. More than a block is compressed in a thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/base/digest.h"

namespace sandbox::overlay {

enum class Compression { none, gzip, zstd };

/// One compression method; also plain copying.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// Moves bytes from the front of `input` (shrinking it) to `output`; the number written. With `last` no input
  /// follows: call until it writes nothing.
  virtual std::size_t encode(std::span<const std::byte>& input, std::span<std::byte> output, bool last) = 0;
};

class LayerSink {
 public:
  /// Borrows `fd`, which is written from its current position.
  LayerSink(int fd, Compression compression);
  ~LayerSink();

  void write(const void* data, std::size_t size);  ///< Throws SysError.
  void fill(std::size_t zeros);

  struct Written {
    std::string diff_id;     ///< "sha256:…" of what went in.
    std::string digest;      ///< … of what came out,
    std::uint64_t size = 0;  ///< and its bytes.
  };
  /// Everything is in the file. Does not sync. The object is used up.
  Written finish();

 private:
  using Block = std::vector<std::byte>;
  void start_thread();
  void take_over();  ///< The thread's work.
  void hand_over();
  void wait_for_thread();
  void pack(const Block& block, bool last);

  int fd_;
  std::unique_ptr<Encoder> encoder_;
  Block input_, output_;
  Sha256 plain_, packed_;
  Written written_;
  bool alone_;  ///< Nothing to compress, or no thread to be had.

  // A block that is handed over is the thread's until `full_` is false again; so are the members of pack().
  std::mutex mutex_;
  std::condition_variable changed_;
  Block handed_;
  bool full_ = false, ended_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace sandbox::overlay
