// Unfinished work of one process: a directory of its own below <data>/tmp. Runs in any process that writes images.
//
// The process holds an OFD lock on the directory's file "lock", which the kernel frees however the process ends; a
// directory whose lock is free is nobody's, and the next process that starts such work removes it.
#pragma once

#include <string>

#include "sandbox/base/fd.h"

namespace sandbox::image {

class StagingArea {
 public:
  explicit StagingArea(const std::string& data);
  ~StagingArea();
  StagingArea(const StagingArea&) = delete;
  StagingArea& operator=(const StagingArea&) = delete;

  std::string new_path() const;  ///< Of a file or directory that doesn't exist yet.

 private:
  std::string path_;
  Fd lock_;
};

/// Removes what processes that are gone have left in <data>/tmp.
void sweep_staging(const std::string& data);

}  // namespace sandbox::image
