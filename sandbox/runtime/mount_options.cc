#include "sandbox/runtime/mount_options.h"

#include <sys/mount.h>

#include <algorithm>

#include "sandbox/base/mount_words.h"

namespace sandbox::runtime {
namespace {

struct Propagation {
  std::string_view name;
  std::uint64_t flag;
};
constexpr Propagation propagation_words[] = {
    {"private", MS_PRIVATE}, {"shared", MS_SHARED}, {"slave", MS_SLAVE}, {"unbindable", MS_UNBINDABLE}};

// Flags of a file system, not of a mount; for a bind mount they say nothing, as with mount(8).
constexpr std::string_view superblock_words[] = {"sync", "async", "dirsync", "lazytime", "nolazytime"};

// Without effect: the kernel's usual state, or (mand, Linux 5.15; iversion, now of each file system) given up by it.
constexpr std::string_view idle_words[] = {"defaults", "loud", "silent", "mand", "nomand", "iversion", "noiversion"};

const Propagation* find_propagation(std::string_view name) {
  const auto* word = std::ranges::find(propagation_words, name, &Propagation::name);
  return word == std::end(propagation_words) ? nullptr : word;
}

template <class Words>
bool has(const Words& words, std::string_view name) {
  return std::ranges::find(words, name) != std::end(words);
}

void change(userns::MountAttributes& attributes, const MountWord& word) {
  const bool access_time = (word.clear & MOUNT_ATTR__ATIME) != 0;
  attributes.set = (attributes.set & ~word.clear) | word.set;
  attributes.clear = (attributes.clear & (access_time ? ~std::uint64_t{0} : ~word.set)) | word.clear;
}

bool take_attribute(MountOptions& options, std::string_view name) {
  if (const MountWord* word = find_mount_word(name)) {
    change(options.own, *word);
    return true;
  }
  // With an "r" before it a word means the whole tree (mount_setattr(2), AT_RECURSIVE).
  if (!name.starts_with('r')) return false;
  const MountWord* word = find_mount_word(name.substr(1));
  if (word != nullptr) change(options.tree, *word);
  return word != nullptr;
}

bool take_propagation(MountOptions& options, std::string_view name) {
  const Propagation* word = find_propagation(name);
  const bool tree = word == nullptr && name.starts_with('r');
  if (tree) word = find_propagation(name.substr(1));
  if (word == nullptr) return false;
  options.propagation = word->flag;
  options.propagation_of_tree = tree;
  return true;
}

bool take_kind(MountOptions& options, std::string_view name) {
  if (name == "bind" || name == "rbind") {
    options.bind = true;
    options.recursive = name == "rbind";
  } else if (name == "remount") {
    options.remount = true;
  } else if (name == "tmpcopyup") {
    options.copy_up = true;
  } else if (name == "idmap" || name == "ridmap") {
    options.id_mapped = true;
    options.id_mapped_tree = name == "ridmap";
  } else {
    return false;
  }
  return true;
}

}  // namespace

MountOptions parse_mount_options(const std::vector<std::string>& words) {
  MountOptions options;
  for (const std::string& word : words) {
    if (word.empty() || has(idle_words, word)) continue;
    if (take_attribute(options, word) || take_propagation(options, word) || take_kind(options, word)) continue;
    options.data += (options.data.empty() ? "" : ",") + word;
  }
  return options;
}

std::vector<std::string> known_mount_options() {
  std::vector<std::string> names{"bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"};
  for (const MountWord& word : kMountWords) {
    names.emplace_back(word.name);
    names.push_back(fmt::format("r{}", word.name));
  }
  for (const Propagation& word : propagation_words) {
    names.emplace_back(word.name);
    names.push_back(fmt::format("r{}", word.name));
  }
  for (const std::string_view word : superblock_words) names.emplace_back(word);
  for (const std::string_view word : idle_words) names.emplace_back(word);
  std::ranges::sort(names);
  return names;
}

}  // namespace sandbox::runtime
