#include "sandbox/runtime/mount_options.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include <algorithm>
#include <span>

namespace sandbox::runtime {
namespace {

struct Word {
  std::string_view name;
  std::uint64_t set, clear;
};

// Attributes of one mount; with an "r" before it a word means the whole tree (mount_setattr(2), AT_RECURSIVE). What
// sets an access time mode has to clear the one before. "norelatime" undoes nothing: that mode is the kernel's own.
constexpr Word attribute_words[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", 0, 0},
};

constexpr Word propagation_words[] = {
    {"private", MS_PRIVATE, 0}, {"shared", MS_SHARED, 0}, {"slave", MS_SLAVE, 0}, {"unbindable", MS_UNBINDABLE, 0}};

// Flags of a file system, not of a mount; for a bind mount they say nothing, as with mount(8).
constexpr std::string_view superblock_words[] = {"sync", "async", "dirsync", "lazytime", "nolazytime"};

// Without effect: the kernel's usual state, or (mand, Linux 5.15; iversion, now of each file system) given up by it.
constexpr std::string_view idle_words[] = {"defaults", "loud", "silent", "mand", "nomand", "iversion", "noiversion"};

const Word* find_word(std::span<const Word> words, std::string_view name) {
  const auto found = std::ranges::find(words, name, &Word::name);
  return found == words.end() ? nullptr : &*found;
}

template <class Words>
bool has(const Words& words, std::string_view name) {
  return std::ranges::find(words, name) != std::end(words);
}

void change(userns::MountAttributes& attributes, const Word& word) {
  const bool access_time = (word.clear & MOUNT_ATTR__ATIME) != 0;
  attributes.set = (attributes.set & ~word.clear) | word.set;
  attributes.clear = (attributes.clear & (access_time ? ~std::uint64_t{0} : ~word.set)) | word.clear;
}

bool take_attribute(MountOptions& options, std::string_view name) {
  if (const Word* word = find_word(attribute_words, name)) {
    change(options.own, *word);
    return true;
  }
  if (!name.starts_with('r')) return false;
  const Word* word = find_word(attribute_words, name.substr(1));
  if (word != nullptr) change(options.tree, *word);
  return word != nullptr;
}

bool take_propagation(MountOptions& options, std::string_view name) {
  const Word* word = find_word(propagation_words, name);
  const bool tree = word == nullptr && name.starts_with('r');
  if (tree) word = find_word(propagation_words, name.substr(1));
  if (word == nullptr) return false;
  options.propagation = word->set;
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
  std::vector<std::string> names{"bind", "rbind", "remount", "tmpcopyup"};
  for (const Word& word : attribute_words) {
    names.emplace_back(word.name);
    names.push_back(fmt::format("r{}", word.name));
  }
  for (const Word& word : propagation_words) {
    names.emplace_back(word.name);
    names.push_back(fmt::format("r{}", word.name));
  }
  for (const std::string_view word : superblock_words) names.emplace_back(word);
  for (const std::string_view word : idle_words) names.emplace_back(word);
  std::ranges::sort(names);
  return names;
}

}  // namespace sandbox::runtime
