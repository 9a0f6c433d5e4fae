// Unfinished work of one process: a directory of its own below <data>/tmp. Runs in any process that writes images.
//
// The process holds an OFD lock on the directory's file "lock", which the kernel frees however the process ends; a
// directory whose lock is free is nobody's, and the next process that starts such work removes it. As long as the work
// lasts no blob is collected as garbage: what the process makes, or has found present, may be in no index yet.
#pragma once

#include <string>

#include "sandbox/base/fd.h"

namespace sandbox::image {

/// Shared by those who work on blobs that no index reaches, exclusive for who collects such blobs. Freed with the
/// object.
class WritersLock {
 public:
  enum class Mode { shared, exclusive };
  /// Waits for a shared lock: collecting is quick. For an exclusive one it doesn't; see held().
  WritersLock(const std::string& data, Mode mode);
  bool held() const { return held_; }

 private:
  Fd file_;
  bool held_ = false;
};

class StagingArea {
 public:
  explicit StagingArea(const std::string& data);
  ~StagingArea();
  StagingArea(const StagingArea&) = delete;
  StagingArea& operator=(const StagingArea&) = delete;

  std::string new_path() const;  ///< Of a file or directory that doesn't exist yet.

 private:
  WritersLock writers_;
  std::string path_;
  Fd lock_;
};

/// Removes what processes that are gone have left in <data>/tmp.
void sweep_staging(const std::string& data);

}  // namespace sandbox::image
