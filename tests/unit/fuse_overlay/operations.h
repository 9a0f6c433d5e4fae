// One list of file operations, run on several file systems and compared by result, errno and side effect.
#pragma once

#include <string>

namespace sandbox::overlay::test {

/// Runs all operations in the working directory, which holds `make_operation_tree`'s layer, and returns
/// one line for each: its name and its errno or result. `merged`: also those in which layered file systems
/// differ from native ones.
std::string run_operations(bool merged);

class Layers;
void make_operation_tree(const Layers& layers);

}  // namespace sandbox::overlay::test
