// Layers on disk, and functions that run inside their merge: in a process with a user and a mount namespace
// of its own, whose working directory is the merged root.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "fuse-overlay/overlay_server.h"

namespace sandbox::overlay::test {

enum class Rung { fuse, kernel, native };

/// Directories below a temporary one on a disk, removed at the end.
class Layers {
 public:
  explicit Layers(int lower = 1);
  ~Layers();
  Layers(const Layers&) = delete;
  Layers& operator=(const Layers&) = delete;

  std::string lower(int index) const;  ///< 0 is the top-most.
  std::string upper() const { return path_ + "/upper"; }
  const std::string& path() const { return path_; }
  /// A file of lower layer `index`, its directories made.
  void add(int index, const std::string& name, const std::string& content = "content") const;

  ServerConfig config(bool writable = true) const;
  std::uint64_t most_bytes = 0, most_objects = 0;  ///< Of the upper one, with our server.

 private:
  std::string path_;
  int lower_;
};

/// Runs `inside` in the merge and returns what it returns. Throws Error when the process ends otherwise.
/// `served` runs meanwhile in the calling process, given the server's pid (-1: none).
std::string in_merge(const Layers& layers, Rung rung, const std::function<std::string()>& inside, bool writable = true,
                     const std::function<void(pid_t)>& served = {});

/// The requests that our server gets by kind. `inside` is given a function that returns those since its last call.
using Requests = std::map<std::string, int>;
using AskRequests = std::function<Requests()>;
std::string in_counted_merge(const Layers& layers, const std::function<std::string(const AskRequests&)>& inside);

/// Everything below the working directory: type, mode, size, content, link target; sorted.
std::string describe_tree();

std::string read_text(const std::string& path);
/// errno of writing, 0 for success.
int write_text(const std::string& path, const std::string& text, int flags = 0);

}  // namespace sandbox::overlay::test
