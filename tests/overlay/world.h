// The trees that scripts run in, made from a seed, and what is seen in them.
#pragma once

#include <string>
#include <vector>

#include "mounted.h"
#include "operation.h"

namespace sandbox::overlay::test {

struct World {
  unsigned seed = 0;
  int operations = 300;  ///< Of a script that is made for it.
  /// Whether lower layers have files with several names, fifos and sockets, which kernel overlayfs gets wrong
  /// (README.md).
  bool has_hard_cases = true;
};

struct Outcome {
  Script script;
  std::vector<std::string> results;  ///< One for each operation.
  std::vector<std::string> view;     ///< The tree at the end: a line for each name.
  std::vector<std::string> numbers;  ///< Names and inode numbers.
};

/// Runs `script` on a tree of its own; in a native directory, one that is made meanwhile when it is nullptr.
/// On our mount, `faults` gets what is wrong afterwards: of the view after a remount, of either driver, and of removal.
Outcome run(const World& world, Rung rung, const Script* script, std::vector<std::string>* faults = nullptr);

/// So many processes at once, each with a script of its own, on our mount: what is wrong with the tree afterwards.
std::vector<std::string> faults_of_many(const World& world, int processes);

/// Fills the three lower layers.
void make_layers(const Layers& layers, const World& world);

/// The working directory: names, attributes, contents, and which names are of one file.
std::vector<std::string> view();
std::vector<std::string> numbers();

/// What is wrong with layers after a run of which these were the last views: an empty list, or sentences.
std::vector<std::string> faults_afterwards(const Layers& layers, const std::vector<std::string>& view,
                                           const std::vector<std::string>& numbers);

/// Lines that differ, "one <> other"; at most ten.
std::vector<std::string> differences(const std::vector<std::string>& one, const std::vector<std::string>& other);

/// A line without " links N".
std::string without_link_count(std::string line);

/// What `inside` returns, which may be long, of a merge of these layers.
std::vector<std::string> lines_in_merge(const Layers& layers, Rung rung,
                                        const std::function<std::vector<std::string>()>& inside, bool writable = true);

}  // namespace sandbox::overlay::test
