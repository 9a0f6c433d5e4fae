// The push side of a layer: archive bytes go in, a compressed file comes out, and the digests of both run meanwhile.
// Memory is bounded. The same bytes in give the same bytes out. More than a block is compressed in threads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fuse-overlay/store/block_encoder.h"
#include "sandbox/base/digest.h"

namespace sandbox::overlay {

class LayerSink {
 public:
  /// Borrows `fd`, which is written from its current position.
  LayerSink(int fd, Compression compression, std::size_t most_threads = processors());
  ~LayerSink();
  LayerSink(const LayerSink&) = delete;
  LayerSink& operator=(const LayerSink&) = delete;

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
  struct Job {
    Block before, block, packed;
    bool is_packed = false;
  };
  static std::size_t processors();  ///< That this process may use.

  void hand_over();
  void start_thread();
  void work();  ///< A thread's.
  void encode(std::unique_ptr<BlockEncoder>& encoder, Job& job, bool last) const;
  void write_in_order(std::unique_lock<std::mutex>& lock);
  void end_threads();
  void put_out(const Job& job);
  void put_out(const Block& bytes);
  Job& at(std::size_t number) { return jobs_[number % jobs_.size()]; }

  int fd_;
  Compression compression_;
  std::size_t most_threads_;
  std::unique_ptr<BlockEncoder> own_;  ///< For the last block, and for all where their order counts or no thread is.
  Job next_;                           ///< Is being filled.

  // Jobs are numbered in the order of the archive and lie in a ring. Those below written_ are free, those below taken_
  // are or were a thread's, those below handed_ wait for one. Only the thread that has set writing_ moves written_, and
  // touches the members of put_out().
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Job> jobs_;
  std::size_t handed_ = 0, taken_ = 0, written_ = 0;
  bool writing_ = false, ended_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;

  Framing framing_;
  Sha256 plain_, packed_;
  Written result_;
};

}  // namespace sandbox::overlay
