#pragma once

#include <vector>

namespace sandbox::overlay {

/// Before threads are started: capabilities but those over files, and every file outside of these
/// directories, are given up.
void confine_files(const std::vector<int>& read_only, const std::vector<int>& writable);
/// With all threads started: system calls that serving files does not take.
void confine_calls();

}  // namespace sandbox::overlay
