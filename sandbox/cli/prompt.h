// Questions to the user at a terminal.
#pragma once

#include <string>

namespace sandbox::cli {

/// A line from standard input, without its end; `hidden`: it is not shown while it is typed, and what stops the program
/// meanwhile finds the terminal as it was. Throws Error when standard input ends.
std::string ask(const std::string& question, bool hidden);

}  // namespace sandbox::cli
