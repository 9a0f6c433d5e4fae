// The threads that answer requests, each with a channel of its own to the kernel (FUSE_DEV_IOC_CLONE).
//
// Waking a thread costs more than answering most requests, so one thread reads and answers as long as
// it keeps up, and stays hot. Another one is woken when a request is already waiting behind the one that
// was just read, or before work that takes long.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "sandbox/base/fd.h"

struct fuse_session;
struct fuse_lowlevel_ops;

namespace sandbox::overlay {

class Workers {
 public:
  /// `channels`: the mount's device first, then its clones; as many threads as channels.
  explicit Workers(std::vector<Fd> channels);
  ~Workers();

  /// Starts the threads, waiting for open(). `session` is used until the process ends.
  void start(const fuse_lowlevel_ops& operations, void* user_data);
  /// Lets them begin.
  void open();
  /// Called by a worker: see above.
  void before_waiting();

 private:
  void run(int channel);
  void wait_for_turn();
  void leave_turn();
  bool may_go_on();

  std::vector<Fd> channels_;
  fuse_session* session_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wanted_changed_;
  int wanted_ = 0;   ///< Threads that shall begin to read.
  int reading_ = 0;  ///< Threads that wait for a request.
  int parked_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace sandbox::overlay
