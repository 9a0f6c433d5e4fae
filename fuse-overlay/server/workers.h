// The threads that answer requests, each with a channel of its own to the kernel (FUSE_DEV_IOC_CLONE).
//
// Waking a thread costs more than answering most requests, so one thread reads and answers as long as it keeps up,
// and stays hot: while requests come in quick succession it looks for the next one for a moment before it sleeps.
// Others join when requests are waiting each time that it looks, up to the number of processors; and whenever nobody
// reads for a while, because an answer takes its time (a cold disk, a file server, a big copy).
//
// While it looks it works ahead, if there is something to do, in pieces as long as a request.
//
// Why no request is left lying, while a channel has a thread that could take it:
// - Who sleeps for want of requests does so in read(2), and the kernel wakes one of these for each request.
// - Whoever wants a parked thread counts it in joining_ and active_ under mutex_, where parked threads look at
// joining_:
//   it is seen before they sleep or wakes them. active_ >= limit_ >= 1 whenever mutex_ is free.
// - watch() adds a thread when nobody reads. It sleeps only after it has seen somebody read, and then no new request:
//   it lowers watched_ first and looks at requests_ afterwards; who has got a request raises requests_ first and looks
//   at watched_ afterwards. Both are sequentially consistent, so one of the two sees what the other has done.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "fuse-overlay/server/request_counts.h"
#include "sandbox/base/fd.h"

struct fuse_session;
struct fuse_lowlevel_ops;

namespace sandbox::overlay {

class Workers {
 public:
  /// Does a little while there are no requests; false: there is nothing to do.
  using WorkAhead = std::function<bool()>;

  /// `channels`: the mount's device first, then its clones; as many threads as channels. `work_ahead` is called by
  /// several threads at once.
  Workers(std::vector<Fd> channels, int processors, WorkAhead work_ahead);
  ~Workers();

  /// Starts the threads, waiting for open(). `session` is used until the process ends, which it does when the file
  /// system has been unmounted.
  void start(const fuse_lowlevel_ops& operations, void* user_data);
  /// Lets them begin.
  void open();
  /// Called by a worker whose answer will take long: another one shall read meanwhile.
  void before_waiting();
  const RequestCounts& counts() const { return counts_; }

 private:
  void run(int channel);
  void watch();
  void note_request(bool was_waiting);
  void join_or_park();
  void after_waiting();
  void want_more(int most);
  void want_less();
  void apply_limit();

  std::vector<Fd> channels_;
  const int processors_;
  const WorkAhead work_ahead_;
  fuse_session* session_ = nullptr;
  RequestCounts counts_;

  std::mutex mutex_;  ///< Innermost. Guards changes of what follows, down to the next blank line.
  std::condition_variable may_join_, may_watch_;
  int wanted_ = 0;               ///< Threads for what comes in.
  int waiting_ = 0;              ///< Threads that have announced a long answer.
  std::atomic<int> limit_ = 0;   ///< How many there shall be: both together, as far as there are channels.
  std::atomic<int> active_ = 0;  ///< Threads that read and answer; the others are parked.
  int joining_ = 0;              ///< Counted as active already, and about to wake.

  std::atomic<int> reading_ = 0;             ///< Threads that look for a request.
  std::atomic<std::uint64_t> requests_ = 0;  ///< Read so far.
  /// The kernel hands what one thread has answered to another thread's request, unseen by C++'s memory model: this
  /// count orders them, for the model and for ThreadSanitizer.
  std::atomic<std::uint64_t> answers_ = 0;
  std::atomic<bool> crowded_ = false;  ///< Requests have been waiting, since watch() looked last.
  std::atomic<bool> watched_ = false;  ///< watch() is awake, or about to wake.
  std::vector<std::thread> threads_;
};

}  // namespace sandbox::overlay
